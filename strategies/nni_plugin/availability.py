"""Whether NNI can run here, and its harmless warnings kept quiet.

NNI 3.0 is no longer maintained and does not say itself which versions it cannot run with: it hangs or dies in odd
places. So it is an extra. Every module of this package that needs NNI calls :func:`require_nni` before it imports it.
What subclasses NNI's classes lies in modules of its own, which the package imports at the first use of their names.
"""

import logging
import re
import sys
import warnings
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from tart_nas.errors import NniError, first_line
from tart_nas.extras import how_to_install

__all__ = ["PYTHONWARNINGS", "require_nni"]

PYTHONWARNINGS = "ignore::RuntimeWarning:nni.nas.nn.pytorch.layers"
"""For the environment of trials: NNI warns there of two layers of newer versions of torch that it does not need."""

_MODULES = ("nni", "nni.nas.nn.pytorch", "nni.nas.strategy", "nni.nas.experiment")
_INSTALL = f"to install it with the versions it needs, {how_to_install('nni')}"
_BELOW = {"filelock": ((3, 12), "NNI hangs on its lock"), "setuptools": ((82,), "nnictl needs its pkg_resources")}


@cache
def require_nni(nas: bool = True) -> None:
    """Checks that NNI can be used, and imports it.

    Args:
        nas: whether to import what searches networks too, which takes torch and some seconds; tuners do without.

    Raises:
        NniError: naming what is missing or of a version that NNI cannot run with, and what to do.
    """
    if sys.version_info >= (3, 14):
        found = ".".join(map(str, sys.version_info[:2]))
        raise NniError(f"NNI 3.0 does not run on Python {found}: use Python 3.11 to 3.13.")
    installed = _version("nni")
    if installed is None:
        raise NniError(f"NNI is not installed; {_INSTALL}.")
    if _numbers(installed)[:2] != (3, 0):
        raise NniError(f"NNI {installed} is installed, but this needs NNI 3.0; {_INSTALL}.")
    for package, (limit, reason) in _BELOW.items():
        found_version = _version(package)
        if found_version is None or _numbers(found_version) >= limit:
            wanted = f"{package}<{'.'.join(map(str, limit))}"
            raise NniError(f"NNI needs {wanted} ({reason}), but {found_version or 'none'} is installed; {_INSTALL}.")
    logging.getLogger("nni.nas.experiment.experiment").addFilter(_is_no_noise)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* is found to be not a nn.Module", RuntimeWarning)
        for module in _MODULES if nas else _MODULES[:1]:
            _import(module)


def _import(module: str) -> None:
    try:
        import_module(module)
    except Exception as error:  # whatever NNI stumbles over in a version it does not know
        torch = _version("torch") or "missing"
        raise NniError(
            f"NNI 3.0 cannot be imported here (torch {torch}, Python {sys.version.split()[0]}): {module}: "
            f"{type(error).__name__}: {first_line(error)}; {_INSTALL}."
        ) from error


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _numbers(text: str) -> tuple[int, ...]:
    """The release of a version: (3, 12, 4) of ``3.12.4rc1``."""
    release = re.match(r"\d+(\.\d+)*", text)
    return tuple(map(int, release[0].split("."))) if release else ()


def _is_no_noise(record: logging.LogRecord) -> bool:
    """Whether a log record tells anything: NNI cannot show choices of an input on its web page, and says so of each."""
    return not str(record.msg).startswith("Cannot convert %r to legacy format")
