"""Small operations on one thread each: to split them costs more than it gains."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch

__all__ = ["for_each_chunk", "one_thread_per_operation"]

Rows = npt.NDArray[np.int64]


@contextmanager
def one_thread_per_operation() -> Iterator[int]:
    """Keeps torch from splitting an operation over threads, and gives the number of threads that it was allowed.

    Matrices of a small network take microseconds, and to wait for a second thread at each of them takes longer than the
    work itself; a hundred times longer where other programs keep the cores busy. It is the process's setting that is
    changed for the duration of the block, and also that of threads started in it.
    """
    allowed = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield allowed
    finally:
        torch.set_num_threads(allowed)


def for_each_chunk(work: Callable[[Rows], None], chunks: Sequence[Rows], device: torch.device) -> None:
    """Does some work for each chunk of rows: as many at a time as torch may use threads; one at a time on a GPU."""
    with one_thread_per_operation() as threads, ThreadPoolExecutor(threads if device.type == "cpu" else 1) as pool:
        list(pool.map(work, chunks))
