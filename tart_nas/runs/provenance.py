"""What made a run: the command, the predictor's name, the date, the versions. None of it decides the result."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from tart_nas.architecture import Architecture
from tart_nas.predictors import Predictor
from tart_nas.runs.storage import masked
from tart_nas.version import versions

__all__ = ["Provenance", "call_text", "now"]

_LONGEST = 1000  # characters of an argument


@dataclass(frozen=True)
class Provenance:
    """What made a run; runs of version 0.1.0 did not write down their command and the predictor's name.

    Args:
        command: the command or the call, without a storage's password; None where it is not known.
        predictor: the predictor's name, file or kind, as it was given; likewise.
        made: when the run began, ISO 8601 in UTC.
        versions: of Python and the packages that count, by name.
    """

    command: str | None = None
    predictor: str | None = None
    made: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def here(cls, command: str, predictor: str) -> "Provenance":
        """That of a run which begins now, in this process."""
        return cls(command, predictor, now(), versions("torch", "torchvision", "optuna", "numpy"))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Provenance":
        """Reads what :meth:`to_dict` gives, among whatever else is there."""
        return cls(data.get("command"), data.get("predictor"), data.get("made"), data.get("versions", {}))

    def to_dict(self) -> dict[str, Any]:
        """The provenance as JSON values."""
        return asdict(self)


def now() -> str:
    """This moment, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def call_text(name: str, arguments: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """A call as one would write it, without the arguments that have their defaults.

    Args:
        name: of the function.
        arguments: by name, in order.
        defaults: likewise.
    """
    given = [f"{key}={_shown(value)}" for key, value in arguments.items() if value is not defaults[key]]
    return f"{name}({', '.join(given)})"


def _shown(value: Any) -> str:
    """An argument in a few words: lists of candidates and fitted predictors have no short text that makes them."""
    if isinstance(value, Predictor):
        return f"<{value.kind} predictor>"
    if isinstance(value, list | tuple) and value and isinstance(value[0], Architecture):
        return f"<{len(value):,} architectures>"
    text = repr(masked(value) if isinstance(value, str) else str(value) if hasattr(value, "__fspath__") else value)
    # Images and spaces of the user's may have any text, which a line of the report has no room for.
    return text if len(text) <= _LONGEST and "\n" not in text else f"<{type(value).__name__}>"
