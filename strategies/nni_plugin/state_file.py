"""The state of an NNI strategy as JSON, written whole or not at all, and read without unpickling anything.

What JSON lacks is tagged: tuples, sets, numpy arrays and scalars, dictionaries whose keys are no strings, and the
individuals of NNI's evolution.
"""

import json
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar

import numpy as np

from tart_nas.errors import NniError, reason
from tart_nas.files import replacing
from tart_nas.strategies.nni_plugin.availability import require_nni

require_nni()

from nni.nas.strategy.evolution import Individual  # noqa: E402
from nni.nas.utils.serializer import Serializer  # noqa: E402

__all__ = ["StateSerializer", "from_json", "to_json"]

_TAG = "__tart_nas__"  # a key that no state of NNI's has


class StateSerializer(Serializer):  # type: ignore[misc]
    """For ``nni.nas.utils.serializer.set_default_serializer``: NNI's own two cannot read back what they wrote."""

    suffix: ClassVar[str] = ".json"

    def __init__(self) -> None:
        self._lock = Lock()  # the listener's thread saves too

    def save(self, data: Any, path: Path) -> None:
        """Writes a state, atomically.

        Raises:
            NniError: if it holds something that cannot be written.
            OSError: if the file cannot be written.
        """
        text = json.dumps(to_json(data))
        with self._lock, replacing(_file(path)) as temporary:
            temporary.write_text(text)

    def load(self, path: Path) -> Any:
        """Reads a state; before that, copies the file to ``….before-resume.json``.

        Raises:
            FileNotFoundError: if there is none.
            NniError: if it is not a state.
        """
        file = _file(path)
        text = file.read_text()
        with replacing(path.with_name(path.name + ".before-resume" + self.suffix)) as temporary:
            temporary.write_text(text)
        try:
            return from_json(json.loads(text))
        except (ValueError, KeyError, TypeError) as error:
            raise NniError(f"{file} is not the state of an experiment: {reason(error)}.") from None


def to_json(value: Any) -> Any:
    """JSON values that :func:`from_json` makes the value of again.

    Raises:
        NniError: for what is neither JSON nor one of the kinds that are tagged.
    """
    if value is None or isinstance(value, bool | str | int | float):
        return value
    if isinstance(value, list):
        return [to_json(item) for item in value]
    if isinstance(value, tuple | set | frozenset):
        return {_TAG: type(value).__name__, "items": [to_json(item) for item in value]}
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value) and _TAG not in value:
            return {key: to_json(item) for key, item in value.items()}
        # As pairs, since JSON would turn other keys into texts.
        return {_TAG: "dict", "items": [[to_json(key), to_json(item)] for key, item in value.items()]}
    if isinstance(value, np.ndarray) and value.dtype != object:
        return {_TAG: "array", "dtype": str(value.dtype), "shape": value.shape, "items": value.ravel().tolist()}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Individual):
        return {_TAG: "individual", "x": to_json(value.x), "y": to_json(value.y)}
    raise NniError(f"The state of this strategy cannot be saved: it holds a {type(value).__name__}.")


def from_json(value: Any) -> Any:
    """The value that :func:`to_json` made these JSON values of."""
    if isinstance(value, list):
        return [from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    if _TAG not in value:
        return {key: from_json(item) for key, item in value.items()}
    kind = value[_TAG]
    if kind == "individual":
        return Individual(from_json(value["x"]), from_json(value["y"]))
    if kind == "array":
        return np.array(value["items"], dtype=np.dtype(value["dtype"])).reshape(value["shape"])
    items = [from_json(item) for item in value["items"]]
    if kind == "dict":
        return {_hashable(key): item for key, item in items}
    kinds: dict[str, Any] = {"tuple": tuple, "set": set, "frozenset": frozenset}
    return kinds[kind](items)


def _hashable(key: Any) -> Any:
    return tuple(map(_hashable, key)) if isinstance(key, list) else key


def _file(path: Path) -> Path:
    return path.with_name(path.name + StateSerializer.suffix)
