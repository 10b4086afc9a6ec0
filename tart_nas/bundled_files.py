"""The checkpoints that come with a package, by name.

Nothing that computes is imported here, so that the command line can check a name in milliseconds.
"""

from dataclasses import dataclass
from pathlib import Path

from tart_nas.errors import CheckpointError

__all__ = ["BundledFiles"]

_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class BundledFiles:
    """The checkpoints in a folder of the package.

    Args:
        folder: where they are.
        what: what each is, for messages: ``"predictor"``.
    """

    folder: Path
    what: str

    def names(self) -> tuple[str, ...]:
        """Their names, in alphabetical order."""
        return tuple(sorted(file.stem for file in self.folder.glob(f"*{_SUFFIX}")))

    def path(self, name: str) -> Path:
        """The file of a name.

        Raises:
            CheckpointError: if there is none of that name.
        """
        if name not in self.names():
            expected = ", ".join(self.names())
            raise CheckpointError(f"There is no pretrained {self.what} {name!r}: expected one of {expected}.")
        return self.folder / f"{name}{_SUFFIX}"
