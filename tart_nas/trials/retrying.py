"""What to do while a storage is away."""

import time
from collections.abc import Callable
from typing import TypeVar

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError

from tart_nas.errors import RunFolderError, first_line

__all__ = ["RetryWhileUnreachable", "unreachable"]

_Result = TypeVar("_Result")


def unreachable() -> tuple[type[Exception], ...]:
    """The errors of a storage that is away."""
    try:
        from grpc import RpcError
    except ImportError:  # needed for that storage only
        return (StorageInternalError, SQLAlchemyError, ConnectionError)
    return (StorageInternalError, SQLAlchemyError, ConnectionError, RpcError)


class RetryWhileUnreachable:
    """Asks a storage again while it is away.

    Args:
        seconds: for how long; 0 for a storage that is a file, whose errors stay.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __call__(self, action: Callable[[], _Result]) -> _Result:
        """What the action gives, once the storage answers; an action may have to be repeated.

        Raises:
            RunFolderError: if the storage stays away.
        """
        deadline = time.monotonic() + self._seconds
        while True:
            try:
                return action()
            except unreachable() as error:
                if self._seconds == 0:
                    raise
                if time.monotonic() > deadline:
                    said = first_line(error.__cause__ or error)
                    raise RunFolderError(f"The storage was away for {self._seconds:g} s: {said}") from error
            time.sleep(min(1.0, self._seconds / 10))
