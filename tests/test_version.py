import os
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import tart_nas

REPOSITORY = Path(__file__).resolve().parents[1]


def test_it_is_that_of_the_installed_package():
    assert tart_nas.__version__ == version("tart-nas")
    assert "__version__" in dir(tart_nas)


@pytest.mark.parametrize("command", ["tart_nas", "tart_nas.cli"])
def test_the_package_runs_as_a_module(command):
    done = subprocess.run([sys.executable, "-m", command, "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"tart-nas {tart_nas.__version__}\n", "")


def test_a_source_tree_that_is_not_installed_knows_its_version(tmp_path):
    (tmp_path / "tart_nas").mkdir()
    for file in ("tart_nas/__init__.py", "tart_nas/errors.py", "tart_nas/version.py"):
        shutil.copy(REPOSITORY / file, tmp_path / file)
    project = (REPOSITORY / "pyproject.toml").read_text().replace('name = "tart-nas"', 'name = "other"', 1)
    (tmp_path / "pyproject.toml").write_text(project)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import tart_nas; print(tart_nas.__file__, tart_nas.__version__)"
    )
    isolated = [sys.executable, "-S", "-I", "-c", code, str(tmp_path)]  # without the installed packages
    done = subprocess.run(isolated, capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]})
    expected = tomllib.loads(project)["project"]["version"]
    assert done.stdout == f"{tmp_path / 'tart_nas' / '__init__.py'} {expected}\n"
