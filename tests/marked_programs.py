"""Programs that tests start, and all processes that these start in turn: a mark in their environment tells them."""

import os
import signal
import subprocess
import uuid

__all__ = ["MarkedPrograms"]


class MarkedPrograms:
    """Programs that run in one folder. psutil, which finds their processes, comes with NNI and with Ray.

    Args:
        folder: the current directory of the programs; their output goes to files there.
        environment: of the programs, beside that of the tests.
    """

    def __init__(self, folder, **environment):
        self.folder = folder
        self._mark = f"tart-nas-test-{uuid.uuid4()}"
        self.environment = {**os.environ, "TART_NAS_TEST": self._mark, "OMP_NUM_THREADS": "1", **environment}

    def start(self, *command, **options):
        """Starts a command, which an interrupt reaches even where the tests run in the background; output to a file.

        Args:
            command: the program and its arguments.
            options: of ``subprocess.Popen``.
        """
        self.output = self.folder / f"{uuid.uuid4()}.log"
        with self.output.open("w") as log:
            return subprocess.Popen(
                list(map(str, command)),
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
                **options,
            )

    def finish(self, process, seconds=600):
        """Waits for the end of the program that was started last; returns the exit status and the output."""
        status = process.wait(seconds)
        return status, self.output.read_text()

    def processes(self):
        """All processes that the programs started, directly or not."""
        import psutil

        ours = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("TART_NAS_TEST") == self._mark and process.status() != psutil.STATUS_ZOMBIE:
                    ours.append(process)
            except psutil.Error:
                continue
        return ours
