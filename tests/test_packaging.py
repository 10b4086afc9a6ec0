import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SETTINGS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]
OUTSIDE = ("experiments", "search_spaces", "strategies")


def test_the_packages_list_is_the_tree():
    found = {"tart_nas"}
    for init in REPOSITORY.glob("tart_nas/**/__init__.py"):
        found.add(".".join(init.parent.relative_to(REPOSITORY).parts))
    for folder in OUTSIDE:
        for init in REPOSITORY.glob(f"{folder}/**/__init__.py"):
            found.add(".".join(("tart_nas", *init.parent.relative_to(REPOSITORY).parts)))
    assert sorted(SETTINGS["packages"]) == sorted(found)


@pytest.mark.parametrize("folder", OUTSIDE)
def test_the_links_name_the_top_level_folders(folder):
    link = REPOSITORY / "tart_nas" / folder
    if link.is_symlink():
        assert link.readlink() == Path("..") / folder
    else:  # a source distribution has none, and git writes a file where the system has no links
        assert not link.exists() or link.read_text() == f"../{folder}"
    assert SETTINGS["package-dir"][f"tart_nas.{folder}"] == folder


def test_a_checkout_without_links_builds_the_whole_package(tmp_path):
    tree, wheels, installed = tmp_path / "tree", tmp_path / "wheels", tmp_path / "installed"
    links = [f"tart_nas/{folder}" for folder in OUTSIDE]
    tree.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(REPOSITORY / name, tree)
    for folder in ("tart_nas", *OUTSIDE):
        shutil.copytree(REPOSITORY / folder, tree / folder, ignore=_links)
    for folder, link in zip(OUTSIDE, links, strict=True):
        (tree / link).write_text(f"../{folder}")  # what git leaves where there are no links
    program = f"import setuptools.build_meta as backend; backend.build_wheel({str(wheels)!r})"
    subprocess.run([sys.executable, "-c", program], cwd=tree, check=True, capture_output=True)
    with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
        wheel.extractall(installed)
    expected = {
        Path("tart_nas") / path.relative_to(tree / "tart_nas" if top == "tart_nas" else tree)
        for top in ("tart_nas", *OUTSIDE)
        for path in (tree / top).rglob("*.py")
    }
    assert {path.relative_to(installed) for path in installed.rglob("*.py")} == expected
    program = "import tart_nas.strategies.optuna_plugin as module; print(module.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-c", program]
    output = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True).stdout
    assert Path(output.strip()) == installed / "tart_nas/strategies/optuna_plugin/__init__.py"


def _links(folder, names):
    """What a copy leaves out: links, and what was compiled."""
    return [name for name in names if (Path(folder) / name).is_symlink() or name == "__pycache__"]
