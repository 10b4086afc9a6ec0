"""The notebooks run, and the outputs stored in them are those of the code as it is."""

import json
import os

import pytest

from tests.docs.pages import ROOT

NOTEBOOKS = sorted((ROOT / "docs/notebooks").glob("*.ipynb"))
LARGEST = 150_000  # bytes: figures are stored as SVG or small PNG


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")  # which is no package
    from run_notebooks import execute  # here, since it needs the extra `docs`

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]))
    notebook = execute(path, tmp_path)
    kinds = [output.output_type for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert "error" not in kinds
    assert {"execute_result", "display_data"} <= set(kinds), "a notebook shows a value and a figure"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_with_outputs_and_is_small(path):
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in cells)
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert outputs
    assert [output["text"] for output in outputs if output.get("name") == "stderr"] == []
    assert path.stat().st_size < LARGEST


def test_there_are_three():
    assert [path.stem for path in NOTEBOOKS] == ["optuna", "predictors", "start"]
