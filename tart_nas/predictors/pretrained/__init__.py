"""The predictors that come with the package, by name: ``names()``, and ``path(name)``, the file of one."""

from pathlib import Path

from tart_nas.bundled_files import BundledFiles

__all__ = ["names", "path"]

_FILES = BundledFiles(Path(__file__).parent, "predictor")
names, path = _FILES.names, _FILES.path
