"""An epoch that does not fit into memory is begun again with each batch in parts, whose gradients are added up."""

import logging
from collections.abc import Callable, Iterator
from types import TracebackType

from tart_nas.devices import is_out_of_memory
from tart_nas.errors import InsufficientMemoryError

__all__ = ["BatchParts"]

_log = logging.getLogger(__name__)


class BatchParts:
    """Into how many parts batches are split; twice as many after each lack of memory.

    Example:
        >>> parts, fits = BatchParts(1, batch_size=32), [False, True]
        >>> for attempt in parts.attempts(restore=lambda: None):
        ...     with attempt:
        ...         if not fits.pop(0):
        ...             raise MemoryError
        >>> parts.count
        2

    Args:
        count: to begin with.
        batch_size: the images of a batch, of which a part has at least two.
    """

    def __init__(self, count: int, batch_size: int) -> None:
        self.count = count
        self._batch_size = batch_size

    def attempts(self, restore: Callable[[], None] | None) -> Iterator["_Attempt"]:
        """Context managers for the same work, one after the other, until memory suffices for it.

        Args:
            restore: undoes an attempt that failed; None to let its error through. (Processes that train together
                cannot repeat a step on their own.)

        Raises:
            InsufficientMemoryError: if it does not suffice for two images.
        """
        while True:
            attempt = _Attempt(is_last=restore is None)
            yield attempt
            if attempt.has_fitted or restore is None:
                return
            self._double()
            restore()

    def _double(self) -> None:
        parts = 2 * self.count
        # Batch normalisation has no variance to divide by in a part of one image.
        if self._batch_size // parts < 2:
            size = self._batch_size // self.count
            raise InsufficientMemoryError(f"The network does not fit into memory, not even with {size} images at once.")
        text = "a batch of %d does not fit into memory: gradients are added up over %d parts"
        _log.warning(text, self._batch_size, parts)
        self.count = parts


class _Attempt:
    """Takes the error of a lack of memory, unless it is the last attempt."""

    def __init__(self, is_last: bool) -> None:
        self._is_last = is_last
        self.has_fitted = False

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        # The error itself is not kept: its traceback would hold the tensors of the failed attempt in memory.
        self.has_fitted = error is None
        lacks_memory = isinstance(error, RuntimeError | MemoryError) and is_out_of_memory(error)
        return lacks_memory and not self._is_last
