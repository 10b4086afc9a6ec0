"""Commands in processes of their own, begun in a moment: forked from one that has imported what they need."""

import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

__all__ = ["PATIENCE", "begin", "finish", "warm_up"]

PATIENCE = 600.0  # seconds that a command may take on a busy machine; alone it takes a few
_FORK = multiprocessing.get_context("fork")


def warm_up() -> None:
    """Imports what the commands import; nothing may be computed here, since threads do not survive a fork."""
    import torch

    import tart_nas.deepnets1m
    import tart_nas.hypernetworks
    import tart_nas.measurements
    import tart_nas.runs.report
    import tart_nas.runs.report_content
    import tart_nas.runs.retraining  # noqa: F401

    torch.set_num_threads(1)


def begin(
    arguments: Sequence[str], log: Path, prepare: Callable[[], Any] = lambda: None, *, program: Any = None
) -> BaseProcess:
    """Begins a command of tart-nas.

    Args:
        arguments: of the command.
        log: what it prints goes there.
        prepare: runs in the new process before the command.
        program: what to run instead.
    """
    process = _FORK.Process(target=_run, args=(list(arguments), log, prepare, program))
    process.start()
    return process


def finish(process: BaseProcess, seconds: float = PATIENCE) -> int | None:
    """The exit status, negative after a signal; None if it hangs, and then it is killed."""
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        process.join()
        return None
    return process.exitcode


def _run(arguments: list[str], log: Path, prepare: Callable[[], Any], program: Any) -> None:
    from tart_nas.cli import main

    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a process in the background ignores
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    sys.stdout, sys.stderr = (os.fdopen(os.dup(stream), "w", buffering=1) for stream in (1, 2))
    prepare()
    sys.argv = ["tart-nas", *arguments]
    if program is not None:
        program()
        return
    main()


def wait_for(is_so: Callable[[], Any], seconds: float) -> bool:
    """Waits until something is so; False if it is not in time."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
