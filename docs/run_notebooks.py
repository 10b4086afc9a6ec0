"""Runs the notebooks beside this file and stores their outputs in them: `make notebooks`, after a change of one.

Notebooks keep their outputs, so that they can be read where nothing runs; tests/docs/test_notebooks.py runs them too.
"""

import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

__all__ = ["NOTEBOOKS", "execute"]

NOTEBOOKS = sorted((Path(__file__).parent / "notebooks").glob("*.ipynb"))


def execute(path: Path, folder: str | Path) -> nbformat.NotebookNode:
    """Runs all cells of a notebook.

    Args:
        path: of the notebook, which is left as it is.
        folder: in which it runs and may write.

    Returns:
        The notebook with its new outputs.

    Raises:
        CellExecutionError: if a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--InlineBackend.figure_formats=svg"],  # smaller and sharper than PNG
        record_timing=False,  # else each run changes every cell
    )
    client.execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":  # without warnings and logs, which name folders and times of the machine
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return notebook


if __name__ == "__main__":
    for path in NOTEBOOKS:
        with tempfile.TemporaryDirectory() as folder:
            nbformat.write(execute(path, folder), path)
        print(path.name)
