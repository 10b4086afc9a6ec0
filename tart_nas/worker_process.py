"""How a worker process of a pool begins, so that it ends with the process that started it."""

import multiprocessing
import os
import signal
import threading

__all__ = ["begin_worker"]


def begin_worker() -> None:
    """Leaves interrupts to the parent, and ends with it, also where it is killed: a worker holds its parent's locks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
