"""What recipes of training have in common: settings that are JSON values."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

from tart_nas.errors import SettingError

__all__ = ["Recipe"]


@dataclass(frozen=True)
class Recipe:
    """Settings of a training; a subclass has them as its fields and checks their ranges."""

    def adjusted(self, **changes: Any) -> Self:
        """The recipe with other settings, as options of a command give them.

        Args:
            changes: settings by name; None for what stays.

        Raises:
            SettingError: if a value is outside its range.
        """
        return replace(self, **{name: value for name, value in changes.items() if value is not None})

    def to_dict(self) -> dict[str, Any]:
        """The recipe as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Reads what :meth:`to_dict` gives; what is missing takes its default.

        Raises:
            SettingError: if a setting is unknown or outside its range.
        """
        names = [field.name for field in fields(cls)]
        if unknown := [name for name in data if name not in names]:
            raise SettingError(f"Unknown setting {unknown[0]!r} of a recipe: expected some of {', '.join(names)}.")
        return cls(**data)
