"""The OptunaHub package in hub/, loaded as OptunaHub loads it, from this folder instead of its registry."""

import re
import runpy
from pathlib import Path

import pytest
import yaml

import tart_nas

optunahub = pytest.importorskip("optunahub")

HUB = Path(__file__).parents[3] / "hub"
PACKAGE = HUB / "samplers/tart_nas"


@pytest.fixture
def load_module(monkeypatch):
    def load(package):
        return optunahub.load_local_module(package, registry_root=str(HUB))

    monkeypatch.setattr(optunahub, "load_module", load)
    return load


def test_it_is_the_plugin(load_module):
    package = load_module("samplers/tart_nas")
    assert package.__name__ == "optunahub_registry.package.samplers.tart_nas"
    assert package.TartSampler is tart_nas.optuna.TartSampler
    assert all(hasattr(package, name) for name in package.__all__)


def test_the_example_runs(load_module, capsys):
    runpy.run_path(str(PACKAGE / "example.py"), run_name="__main__")
    found = re.search(r"best: ([\d,]+) parameters away", capsys.readouterr().out)
    assert found
    assert int(found[1].replace(",", "")) < 200_000  # the nearest of 200 random ones is 206,046 away


def test_the_readme_says_what_the_registry_asks_for():
    """https://optuna.github.io/optunahub/generated/recipes/: front matter and sections of a package."""
    _, front, text = (PACKAGE / "README.md").read_text().split("---\n", 2)
    matter = yaml.safe_load(front)
    assert matter.keys() == {"author", "title", "description", "tags", "optuna_versions", "license"}
    assert matter["license"] == "MIT License"
    assert "sampler" in matter["tags"]
    assert re.findall(r"^## (.*)", text, re.MULTILINE) == ["Abstract", "APIs", "Installation", "Example", "Others"]
    assert (PACKAGE / "LICENSE").read_text() == (HUB.parent / "LICENSE").read_text()
    assert (PACKAGE / "requirements.txt").read_text().split() == ["tart-nas"]
