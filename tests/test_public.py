"""What a user reaches by ``import tart_nas as tn``."""

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import optuna
import pytest

import tart_nas as tn

PACKAGES = [name for name in tn.__all__ if inspect.ismodule(getattr(tn, name))]


def test_every_public_name_is_there_and_none_is_missing():
    assert sorted(tn.__all__) == list(tn.__all__)
    assert {name for name in tn.__all__ if getattr(tn, name) is None} == set()
    issue = """search Predictor DartsSpace DeepNets1MSpace ComputationalGraph build_network load_images train retrain
        measure optuna nni __version__"""
    assert set(issue.split()) <= set(tn.__all__)
    with pytest.raises(AttributeError, match="no attribute 'seach'"):
        tn.seach  # noqa: B018


@pytest.mark.parametrize("package", PACKAGES)
def test_the_names_of_a_package_exist_and_have_docstrings(package):
    module = import_module(f"tart_nas.{package}")
    assert module.__all__, package
    if package == "nni":
        pytest.importorskip("nni")
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), f"{package}.{name} has no docstring"


def test_the_plugins_are_the_short_names():
    assert tn.optuna.TartSampler is tn.strategies.optuna_plugin.TartSampler
    assert tn.optuna.__all__ == tn.strategies.optuna_plugin.__all__
    assert tn.nni.__all__ == tn.strategies.nni_plugin.__all__


def test_the_short_names_do_not_stand_in_for_the_libraries():
    assert Path(optuna.__file__) != Path(tn.optuna.__file__)
    assert optuna.create_study().best_trials == []


def test_nothing_heavy_is_imported_before_it_is_used():
    code = "import sys, tart_nas; dir(tart_nas); print({'torch', 'optuna', 'nni', 'matplotlib'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
