import tomllib
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
    if not link.exists() and not (REPOSITORY / ".git").exists():
        pytest.skip("a source distribution has no links")
    assert link.is_symlink()
    assert link.readlink() == Path("..") / folder
    assert SETTINGS["package-dir"][f"tart_nas.{folder}"] == folder


def test_no_subpackage_hides_nni_or_optuna():
    assert not any(name.split(".")[-1] in ("nni", "optuna") for name in SETTINGS["packages"])
