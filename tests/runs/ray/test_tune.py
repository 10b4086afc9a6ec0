"""Ray Tune with our sampler: the blocks of docs/ray.md, one of them killed and begun again."""

import json

import pytest

from tests.docs.pages import ROOT, blocks

pytestmark = pytest.mark.ray

FIRST, TWO_METRICS = (block.text for block in blocks(ROOT / "docs/ray.md") if block.language == "python")
SMALL = {
    'tn.load_images("cifar10-sample", train_images=1000, image_size=16)': 'tn.load_images("digits", train_images=60)',
    "n_cells=2, C=4": "n_cells=1, C=4",
    "num_samples=8": "num_samples=5",
    "num_samples=4": "num_samples=2",
}


def small(text):
    for old, new in SMALL.items():
        text = text.replace(old, new)
    return text


def configurations(folder):
    """What each trial was given, of those that reported something."""
    return [json.loads((path.parent / "params.json").read_text()) for path in results(folder)]


def results(folder):
    return [path for path in folder.glob("*/result.json") if path.stat().st_size]


def test_the_script_of_the_page_goes_on_after_it_was_killed(programs, tmp_path):
    (tmp_path / "search.py").write_text(small(FIRST))
    folder = tmp_path / "runs/ray-tune"
    process = programs.start("search.py")
    programs.until(lambda: len(results(folder)) > 2, process)
    process.kill()
    process.wait()
    before = configurations(folder)

    status, output = programs.run("search.py")
    assert status == 0, output
    assert "genotype" in output.lower(), output
    after = configurations(folder)
    assert len(after) == 5
    assert all(configuration in after for configuration in before)
    cells = {json.dumps({k: v for k, v in each.items() if k != "lr"}, sort_keys=True) for each in after}
    assert len(cells) == 5, "the sampler proposes no network twice, after it was restored either"


def test_two_metrics(programs, tmp_path):
    definitions = FIRST[: FIRST.index("trainable =")]
    (tmp_path / "both.py").write_text(small(definitions + TWO_METRICS))
    status, output = programs.run("both.py")
    assert status == 0, output
    told = [line.split() for line in output.splitlines() if line[:2] in ("0.", "1.")]
    assert len(told) == 2, output
    assert all(0 <= float(accuracy) <= 1 and int(parameters) > 1000 for accuracy, parameters in told)
