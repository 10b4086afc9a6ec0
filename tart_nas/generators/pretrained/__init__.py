"""The generators that come with the package, by name. Nothing that computes is imported here."""

from pathlib import Path

from tart_nas.errors import CheckpointError

__all__ = ["names", "path"]

_SUFFIX = ".safetensors"
_FOLDER = Path(__file__).parent


def names() -> tuple[str, ...]:
    """The names of all pretrained generators, in alphabetical order."""
    return tuple(sorted(file.stem for file in _FOLDER.glob(f"*{_SUFFIX}")))


def path(name: str) -> Path:
    """The file of a pretrained generator.

    Raises:
        CheckpointError: if there is none of that name.
    """
    if name not in names():
        raise CheckpointError(f"There is no pretrained generator {name!r}: expected one of {', '.join(names())}.")
    return _FOLDER / f"{name}{_SUFFIX}"
