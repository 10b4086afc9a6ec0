"""Worker processes that a search starts itself, on its own machine, and that end with it.

The networks of a search are small: one that trains with one thread keeps a core busy, while two threads on two cores
are hardly faster than one. So several networks at a time, each with its share of the cores, are the quicker way.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from tart_nas.errors import TartError, reason

__all__ = ["local_workers", "serve"]

# Not `-m`: a module that is run as a program and imported by the package would exist twice.
_PROGRAM = "from tart_nas.runs.local_workers import serve; serve()"
_LAST_SECONDS = 60.0  # a worker ends by itself when all is trained; one that does not is terminated


@contextmanager
def local_workers(count: int, joining: Mapping[str, Any]) -> Iterator[None]:
    """Starts processes that train beside this one while the block runs; all share the cores of the machine.

    A worker that dies is not replaced: its trial is trained again by another process, as any worker's is.

    Args:
        count: how many processes train, this one among them, at least 1.
        joining: the arguments of :func:`tart_nas.runs.work`, JSON values.
    """
    if count == 1:
        yield
        return
    threads = torch.get_num_threads()
    share = max(1, threads // count)
    torch.set_num_threads(share)
    workers = [_start(joining, share) for _ in range(count - 1)]
    try:
        yield
        for worker in workers:
            worker.wait(_LAST_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        torch.set_num_threads(threads)
        for worker in workers:
            if worker.poll() is None:
                worker.terminate()
                worker.wait()
            if worker.stdin is not None:
                worker.stdin.close()


def serve() -> None:
    """What a worker process runs: :func:`tart_nas.runs.work` with the arguments on the first line of its input.

    The input stays open as long as the search lives. Its end is the search's, however that ended: by ``kill -9`` too.
    """
    import optuna

    from tart_nas.runs.working import work

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # the search tells its user what happens

    arguments = json.loads(sys.stdin.readline())

    def end_with_the_search() -> None:
        sys.stdin.read()
        os._exit(1)  # the main thread trains, and cannot be asked to stop

    threading.Thread(target=end_with_the_search, daemon=True).start()
    try:
        work(**arguments)
    except (TartError, OSError, MemoryError) as error:  # the search goes on alone, or ends with an error of its own
        sys.exit(f"a worker of the search stopped: {reason(error)}")


def _start(joining: Mapping[str, Any], threads: int) -> "subprocess.Popen[str]":
    # Arguments go through a pipe: other users may read a command line, and an address may hold a password. A session
    # of its own keeps the interrupt of a keyboard from the worker, which this process ends itself.
    worker = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        stdin=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        start_new_session=True,
    )
    assert worker.stdin is not None
    worker.stdin.write(json.dumps(dict(joining)) + "\n")
    worker.stdin.flush()
    return worker
