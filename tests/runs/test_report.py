import json
import re
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib import style

from tart_nas.errors import RunFolderError, SettingError
from tart_nas.predictors import Predictor
from tart_nas.runs import SearchResult
from tart_nas.runs.comparison import Comparison
from tart_nas.runs.comparison_text import comparison_text
from tart_nas.runs.facts import PredictorFacts, RunFacts
from tart_nas.runs.next_steps import next_steps
from tart_nas.runs.provenance import Provenance
from tart_nas.runs.report import write_comparison, write_page
from tart_nas.strings import decode
from tests.runs.pages import Page
from tests.runs.results import STATES, a_pick, a_result
from tests.runs.test_resuming import finish, wait_for

HOSTILE = "<script>alert(1)</script> \"'&<!-- $\\frac{$ {{ 7*7 }}"


def page_of(result, folder):
    write_page(result, folder / "page.html")
    return Page((folder / "page.html").read_text())


def page_of_runs(results, folder):
    write_comparison(Comparison(tuple(results)), folder / "page.html")
    return Page((folder / "page.html").read_text())


@pytest.mark.parametrize("state", STATES)
def test_a_page_is_one_file_of_valid_html(state, tmp_path):
    page = page_of(STATES[state](), tmp_path)
    assert page.asked == []
    assert "url(http" not in page.styles
    assert "@import" not in page.styles
    assert len(page.ids) == len(set(page.ids))
    for reference in re.findall(r"url\(#([^)]*)\)", (tmp_path / "page.html").read_text()):
        assert reference in page.ids
    assert [name for name, _ in page.elements].count("h1") == 1
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in page.elements
    assert "prefers-color-scheme: dark" in page.styles


def test_every_number_is_on_the_page(tmp_path):
    result = a_result()
    text = page_of(result, tmp_path).text
    numbers = result.to_dict()
    for pick in numbers["picks"]:
        shown = [f"{pick['predicted']:.3f}", f"{pick['parameters']:,}", f"{pick['seconds']:.1f}", f"{pick['rank']}"]
        shown += [f"{100 * pick[name]:.2f}" for name in ("validation_accuracy", "test_accuracy")]
        shown.append(f"{pick['multiply_accumulates'] / 1e6:.3g} M")
        shown.append(f"{pick['name']}: {pick['string']}")
        for epoch in pick["curve"]:
            shown += [f"{epoch['train_loss']:.4f}", f"{100 * epoch['train_accuracy']:.2f}", f"{epoch['lr']:.4g}"]
            shown.append(f"{100 * epoch['validation_accuracy']:.2f}")
        assert [value for value in shown if value not in text] == []
    assert numbers["gain"]["sentence"] in text
    scores = numbers["scores"]
    for name in ("mean", "std", "min", "max"):
        assert f"{scores[name]:.3f}" in text
    shown = ["270", "30", "297", "0123456789abcdef", "3.11.7", "darts-cifar10", "cpu"]
    for value in (*shown, "2026-11-29 00:30:00 UTC", "2026-11-29 00:45:00 UTC"):
        assert value in text
    for name, value in numbers["settings"]["recipe"].items():
        assert ("yes" if value is True else str(value)) in text, name


def test_the_best_row_is_marked(tmp_path):
    result = a_result()
    page_of(result, tmp_path)
    rows = re.findall(r'<tr class="best">.*?</tr>', (tmp_path / "page.html").read_text(), re.DOTALL)
    assert len(rows) == 1
    assert result.best.pick.name == "top-2"
    assert [value for value in ("top-2", "best", "57.63") if value not in rows[0]] == []


def test_what_users_gave_is_escaped(tmp_path):
    facts = RunFacts(
        PredictorFacts(HOSTILE, "gp", HOSTILE, HOSTILE),
        image_size=32,
        classes=(HOSTILE, "cat"),
        data_dir=HOSTILE,
        storage=f"sqlite:///{HOSTILE}",
        study=HOSTILE,
    )
    made = Provenance(f"tart-nas search --out {HOSTILE}", HOSTILE, HOSTILE, {HOSTILE: HOSTILE})
    failed = a_pick("top-2", 1, (), state="failed", failure=HOSTILE)
    picks = [a_pick(f"top-1 {HOSTILE}", 0), failed, a_pick(f"random {HOSTILE}", 2)]  # as a foreign study may name them
    result = a_result(picks, folder=HOSTILE, facts=facts, provenance=made)
    settings = replace(result.settings, dataset=HOSTILE)
    result = replace(result, settings=settings, images=HOSTILE, finished=HOSTILE)
    other = a_result(folder=f"other {HOSTILE}", seed=3)
    for page in (page_of(result, tmp_path), page_of_runs([result, other], tmp_path), Page(result._repr_html_())):
        assert page.asked == []
        assert HOSTILE in page.text
        assert "49" not in page.text.split("{{")[0]
    assert HOSTILE in str(result)
    assert HOSTILE in result.to_text(40)


def test_the_text_of_figures_is_text_whatever_style_is_set(tmp_path):
    with style.context("ggplot"):
        page = page_of(a_result(), tmp_path)
    for title in ("Scores of 200 candidates", "Learning curves", "Predicted against measured", "Best so far"):
        assert title in page.svg_text
    assert "sep_conv_3x3" in page.svg_text
    assert "c" in "".join(page.svg_text)
    assert not [name for name in page.ids if "DejaVu" in name]  # letters as outlines
    body = (tmp_path / "page.html").read_text().partition("</head>")[2]  # the head has the style of all pages
    assert "<svg" in body
    colours = re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", body)
    assert colours == []  # all are the page's, light or dark


def test_next_steps_are_commands_of_this_run():
    facts = RunFacts(PredictorFacts("my model.safetensors", "gp"), image_size=32, data_dir="/data/of mine")
    commands = [step.command for step in next_steps(a_result(folder="runs/my first", facts=facts))]
    assert commands == [
        "tart-nas retrain 'runs/my first' --dataset digits --data-dir '/data/of mine' --out 'runs/my first-retrained'",
        "tart-nas export 'runs/my first' --out 'runs/my first-best.onnx'",
        "tart-nas draw 'runs/my first' --cells --explain 'my model.safetensors' --out 'runs/my first-cells.svg'",
        "optuna-dashboard 'sqlite:///runs/my first/study.sqlite3'",
        "tart-nas report 'runs/my first'",
        "tart-nas report 'runs/my first' OTHER --out comparison.html",
    ]
    assert len(next_steps(STATES["all failed"]())) == 3  # nothing to retrain


@pytest.mark.parametrize(
    ("name", "budget"),
    [("darts-cifar10", {}), ("deepnets1m-cifar10", {"image_size": 16, "train_images": 2500, "epochs": 4})],
)
def test_the_predictor_is_named_with_the_budget_of_its_labels(name, budget):
    facts = PredictorFacts.of(Predictor.open(name), name)
    assert (facts.name, facts.unit, dict(facts.labels)) == (name, "%", budget)
    assert facts.target in ("accuracy", "validation accuracy")
    assert PredictorFacts.of(Predictor("params"), "params").target == "log₁₀ of the parameters"


@pytest.mark.parametrize("note", ["my labels", {"settings": "mine"}, {"settings": {"recipe": 3}}, {"target": [1]}])
def test_notes_are_the_users(note, ridge):
    predictor = Predictor.load(ridge[1])
    predictor.notes = {"data": note, "label_size": "small"}
    facts = PredictorFacts.of(predictor, "mine")
    assert (facts.name, facts.labels, facts.size) == ("mine", {}, {})


@pytest.mark.slow
def test_an_interrupted_run_has_a_report_and_ends_with_another(start, ridge, tmp_path, command):
    folder = tmp_path / "run"
    process = start(folder)
    wait_for(process, folder, "report.html")
    process.send_signal(signal.SIGINT)
    assert finish(process)[0] == 130
    page = Page((folder / "report.html").read_text())
    assert "This run is not finished. 1 of 3 networks are trained" in page.text
    assert "A search was running" in page.text
    status, output, errors = command("report", folder)
    assert (status, errors) == (0, "")
    assert output.endswith(f"not finished: 1 of 3 networks are trained\nreport: {folder / 'report.html'}\n")
    page = Page((folder / "report.html").read_text())
    assert "No search was running" in page.text
    again = f"tart-nas search --predictor {ridge[1]} --out {folder}"
    assert again in page.text
    status, output, _ = command("report", folder, "--json")
    numbers = json.loads(output)
    assert (status, numbers["is_finished"], numbers["picks"][0]["state"]) == (0, False, "trained")
    with pytest.raises(RunFolderError, match="has not finished"):
        SearchResult.load(folder)
    assert finish(start(folder)) == (0, "")
    page = Page((folder / "report.html").read_text())
    assert "not finished" not in page.text
    assert again in page.text
    assert SearchResult.load(folder).is_finished


def test_a_report_can_be_written_again_anywhere(finished, tmp_path, command):
    before = {path: path.read_bytes() for path in finished.folder.iterdir() if path.suffix in (".json", ".sqlite3")}
    status, output, errors = command("report", finished.folder, "--out", tmp_path / "page.html")
    assert (status, errors) == (0, "")
    assert output == f"{finished.to_text(200)}\nreport: {tmp_path / 'page.html'}\n"
    assert Page((tmp_path / "page.html").read_text()).asked == []
    assert json.loads(command("report", finished.folder, "--json")[1]) == finished.to_dict()
    assert {path: path.read_bytes() for path in before} == before


def test_a_run_of_version_0_1_0_is_reported_on(data, tmp_path, command):
    run = tmp_path / "run"
    shutil.copytree(data / "run-0.1.0", run)
    status, output, errors = command("report", run)
    assert (status, errors) == (0, "")
    page = Page((run / "report.html").read_text())
    stored = json.loads((run / "report.json").read_text())
    for pick in stored["picks"]:
        for value in (f"{100 * pick['validation_accuracy']:.2f}", f"{100 * pick['test_accuracy']:.2f}", pick["name"]):
            assert value in page.text
            assert value in output
    assert "predicted accuracy (%); by darts-cifar10, for 8 cells, 32 channels" in " ".join(page.svg_text)
    assert "not recorded by the version that made the run (0.1.0)" in page.text
    assert f"{100 * stored['gain']:+.1f} points" in output
    assert SearchResult.load(run).facts.predictor.name == "darts-cifar10"


def test_runs_are_compared(tmp_path):
    one = a_result(folder="runs/one")
    other = a_result([a_pick("top-1", 3), a_pick("random-1", 4, test=0.3)], folder="runs/two", seed=7)
    comparison = Comparison((one, other))
    differing, same = comparison.settings()
    assert differing == {
        "picked networks per round": ["2", "1"],
        "random networks": ["2", "1"],
        "seed": ["0", "7"],
    }
    assert same["data set"] == "digits"
    assert comparison.is_alike
    page = page_of_runs([one, other], tmp_path)
    for result in (one, other):
        gain = result.gain()
        assert gain.sentence() in page.text
        assert gain.sentence().split(":")[0] in page.text
        assert f"{100 * result.best.test_accuracy:.2f}" in page.text
        assert f"{100 * gain.difference:+.1f}" in comparison_text(comparison)
    assert "Gain of the picked networks" in page.svg_text
    assert json.loads(json.dumps(comparison.to_dict()))["runs"][1]["folder"] == "runs/two"


def test_runs_of_other_budgets_are_not_compared_by_accuracy(tmp_path):
    longer = [a_pick("top-1", 0, (0.1, 0.2, 0.3)), a_pick("random-1", 1, (0.1, 0.2, 0.3))]
    comparison = Comparison((a_result(folder="a"), a_result(longer, folder="b")))
    assert comparison.settings()[0]["epochs"] == ["2", "3"]
    assert not comparison.is_alike
    assert "compare their gains" in comparison_text(comparison)


START = {"ghn": "ghn2", "noise": 0.0, "orthogonal": False, "from_layer": 0, "sha256": "a1"}
HASHES = {"image_fingerprint": "0123456789", "test_image_fingerprint": "abcdef0123"}


def changed(result, settings, **facts):
    """A result of another run: with some settings, images or hashes of these changed."""
    recipe = replace(result.settings.recipe, **settings.pop("recipe", {}))
    return replace(result, folder=Path("b"), settings=replace(result.settings, recipe=recipe, **settings), **facts)


@pytest.mark.parametrize(
    ("first", "settings", "facts", "shown"),
    [
        ({}, {"recipe": {"weight_decay": 0.1}}, {}, "weight decay"),
        ({}, {"recipe": {"optimizer": "adamw"}}, {}, "optimizer"),
        ({}, {"recipe": {"cutout": 8}}, {}, "cut-out square (pixels)"),
        ({}, {"init": START}, {}, "first weights predicted by"),
        ({"init": START}, {"init": {**START, "sha256": "b2"}}, {}, "hash of the hypernetwork's weights"),
        ({}, {"train": "mine"}, {}, "train"),
        ({}, {}, {"fingerprints": {**HASHES, "image_fingerprint": "9876543210"}}, "images"),
        ({}, {}, {"fingerprints": {**HASHES, "test_image_fingerprint": "9876543210"}}, "images"),
        ({"dataset": "folder"}, {"seed": 1}, {"images": "elsewhere (a folder per class)"}, "images"),
    ],
)
def test_runs_that_did_not_train_or_test_alike_are_not_compared_by_accuracy(first, settings, facts, shown, tmp_path):
    one = replace(changed(a_result(), dict(first)), folder=Path("a"), fingerprints=HASHES)
    other = changed(one, dict(settings), **facts)
    comparison = Comparison((one, other))
    assert not comparison.is_alike
    assert shown in comparison.settings()[0]
    assert "did not train or test alike" in page_of_runs([one, other], tmp_path).text


@pytest.mark.parametrize(
    ("first", "settings", "facts"),
    [
        ({}, {"seed": 1}, {"fingerprints": {"image_fingerprint": "9876543210"}}),  # which the seed draws
        ({"dataset": "folder"}, {}, {"images": "moved to another place"}),  # of the same hashes
        ({"dataset": "folder"}, {"seed": 1}, {}),
        ({}, {}, {"fingerprints": {}}),  # of an earlier version
        ({"init": START}, {"init": {**START, "ghn": "another name"}}, {}),
        ({"train": "mine"}, {"recipe": {"epochs": 9}}, {}),  # which is not read
    ],
)
def test_runs_that_trained_alike_are_compared_by_accuracy(first, settings, facts):
    one = replace(changed(a_result(), dict(first)), folder=Path("a"), fingerprints=HASHES)
    assert Comparison((one, changed(one, dict(settings), **facts))).is_alike


def test_a_result_knows_the_images_of_its_run(finished):
    assert sorted(SearchResult.load(finished.folder).fingerprints) == ["image_fingerprint", "test_image_fingerprint"]


@pytest.mark.parametrize("width", [40, 60, 100])
def test_text_fits_its_terminal(width):
    result, other = a_result(), a_result(folder="runs/second", seed=1)
    texts = [result.to_text(width), comparison_text(Comparison((result, other)), width)]
    for text in texts:
        assert "…" not in text
        rows = [line for line in text.splitlines() if line[0] in " ┏┡│└"]  # not sentences, which terminals wrap
        assert len(rows) >= 7
        assert [line for line in rows if len(line) > width] == []
    for value in ("top-1", "94.500", "52.12 %", "53.41 %"):
        assert value in texts[0]


def test_a_notebook_shows_the_table_and_the_gain():
    page = Page(a_result()._repr_html_())
    for text in ("top-2 (best)", "57.63", "94.490", a_result().gain().sentence()):
        assert text in page.text
    assert "the run is not finished" in Page(STATES["interrupted"]()._repr_html_()).text


def test_a_data_frame_has_a_row_for_each_network(monkeypatch):
    result = a_result([a_pick("top-1", 0), a_pick("random-1", 1, (), state="failed", failure="loss is nan")])
    frame = result.to_dataframe()
    assert list(frame.index) == ["top-1", "random-1"]
    assert frame.loc["top-1", "test_accuracy"] == 0.61
    assert decode(frame.loc["top-1", "string"]) == result.picks[0].pick.architecture
    assert frame.loc["top-1", "multiply_accumulates"] == 1_234_567
    assert frame["validation_accuracy"].dtype == float
    assert frame.loc["random-1", "failure"] == "loss is nan"
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(SettingError, match="needs pandas: pip install pandas"):
        result.to_dataframe()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{empty}"], "is not a run folder: it has no config.json"),
        (["{run}", "{run}"], "different runs, but got"),
        (["{run}", "{empty}"], "is not a run folder"),
        (["{run}", "--out", "page.pdf"], "must end in .html"),
        (["{run}", "--storage", "x"], "A storage must be an address"),
    ],
)
def test_wrong_arguments(arguments, message, finished, tmp_path, command):
    (tmp_path / "empty").mkdir()
    names = {"empty": tmp_path / "empty", "run": finished.folder}
    status, output, errors = command("report", *(text.format(**names) for text in arguments))
    assert (status, output, errors.count("\n")) == (2, "", 1)
    assert message in errors
    assert list((tmp_path / "empty").iterdir()) == []


def test_reading_makes_no_study(finished, tmp_path, command):
    for name in ("config.json", "candidates.parquet"):
        (tmp_path / name).write_bytes((finished.folder / name).read_bytes())
    status, _, errors = command("report", tmp_path)
    assert status == 2
    assert "has scored no candidates yet" in errors
    assert not (tmp_path / "study.sqlite3").exists()


def test_rounded_numbers_carry_over(tmp_path):
    picks = [replace(a_pick("top-1", 0), pick=replace(a_pick("top-1", 0).pick, multiply_accumulates=999_700))]
    text = page_of(replace(a_result(picks), scoring_seconds=119.7), tmp_path).text
    assert "2 min 0 s" in text
    assert "1 M" in text
    assert "1e+03" not in text
