"""The blocks of docs/optuna.md that need other packages, as they stand, where the packages are installed."""

import os
import subprocess
import sys

import pytest

from tests.docs.pages import ROOT, blocks

pytestmark = pytest.mark.slow

BLOCKS = [block for block in blocks(ROOT / "docs/optuna.md") if block.language == "python"]
SMALL = {"train_images=1000": "train_images=60", "n_cells=2, C=4": "n_cells=1, C=4"}


def run(text, folder):
    for old, new in SMALL.items():
        text = text.replace(old, new)
    (folder / "script.py").write_text(text)
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def block_of(marker):
    return next(block.text for block in BLOCKS if block.marker == marker)


def test_lightning(tmp_path):
    pytest.importorskip("lightning")
    pytest.importorskip("optuna_integration")
    told = "print([(trial.state.name, sorted(trial.intermediate_values)) for trial in study.trials[2:]])"
    output = run(f"{BLOCKS[0].text}\n{block_of('Needs Lightning')}\n{told}", tmp_path)
    assert "[('COMPLETE', [0, 1]), ('COMPLETE', [0, 1])]" in output


def test_dask(tmp_path):
    pytest.importorskip("distributed")
    pytest.importorskip("optuna_integration")
    assert "8 trials, the best 0." in run(block_of("Needs Dask"), tmp_path)
