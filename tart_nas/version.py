"""The version of this package, and of those that what it writes depends on."""

import platform
import tomllib
from importlib import metadata
from pathlib import Path

__all__ = ["version", "versions"]

_NAME = "tart-nas"


def version() -> str:
    """Of the installed package; of a source tree that is not installed, what its pyproject.toml says."""
    try:
        return metadata.version(_NAME)
    except metadata.PackageNotFoundError:
        project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
        return str(project["version"])


def versions(*packages: str) -> dict[str, str]:
    """Of Python, this package and others, by name: for files that tell what made them."""
    return {
        "python": platform.python_version(),
        _NAME: version(),
        **{package: metadata.version(package) for package in packages},
    }
