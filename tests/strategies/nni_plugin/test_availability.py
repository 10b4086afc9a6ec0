import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import pytest

from tart_nas.errors import NniError
from tart_nas.strategies.nni_plugin import availability

WITHOUT = """
import importlib, pkgutil, sys
sys.modules["nni"] = None  # importing it raises ImportError
import tart_nas
from tart_nas.errors import NniError
names = [module.name for module in pkgutil.walk_packages(tart_nas.__path__, "tart_nas.")]
for name in names:
    if not any(part in name for part in (".nni_plugin.", ".runs.nni_", "__main__", ".experiments")):
        importlib.import_module(name)
assert "tart_nas.strategies.nni_plugin" in sys.modules
scores = tart_nas.Predictor.from_pretrained("darts-cifar10").predict(tart_nas.DartsSpace().sample(3, seed=0))
assert len(scores) == 3
try:
    from tart_nas.strategies.nni_plugin import TartTopK
except NniError as error:
    print(error)
"""


def test_everything_else_works_without_nni():
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    assert done.stdout.count("\n") == 1
    assert "pip install '.[nni]'" in done.stdout


@pytest.mark.parametrize(
    ("package", "found", "message"),
    [
        ("nni", None, "NNI is not installed; to install it"),
        ("nni", "2.10.1", "NNI 2.10.1 is installed, but this needs NNI 3.0"),
        ("filelock", "3.13.1", "filelock<3.12 .NNI hangs on its lock., but 3.13.1 is installed"),
        ("setuptools", "82.0", "setuptools<82 .nnictl needs its pkg_resources., but 82.0 is installed"),
    ],
)
def test_versions_that_do_not_fit(monkeypatch, package, found, message):
    known = {"nni": "3.0", "filelock": "3.11.0", "setuptools": "81.0.0", package: found}

    def version(name):
        if known[name] is None:
            raise PackageNotFoundError(name)
        return known[name]

    monkeypatch.setattr(availability, "version", version)
    with pytest.raises(NniError, match=message):
        availability.require_nni.__wrapped__()


def test_python_that_is_too_new(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 14, 0, "final", 0))
    with pytest.raises(NniError, match=r"does not run on Python 3\.14"):
        availability.require_nni.__wrapped__()


def test_what_nni_stumbles_over_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "nni.nas.strategy", None)  # importing it raises ImportError
    with pytest.raises(
        NniError, match="NNI 3.0 cannot be imported here .torch 2.*ModuleNotFoundError: import of nni.n"
    ):
        availability.require_nni.__wrapped__()
