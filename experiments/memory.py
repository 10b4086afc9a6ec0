"""How much memory a process takes."""

import resource
import subprocess
import sys

from tart_nas.errors import MachineError

__all__ = ["peak_memory", "printed_apart"]


def peak_memory() -> float:
    """Bytes of resident memory that this process has taken at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def printed_apart(program: str, *arguments: object) -> list[float]:
    """The numbers that Python code prints in a process of its own, whose memory is that of the code alone.

    Raises:
        MachineError: if the process fails.
    """
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MachineError(f"The process that is measured ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return [float(number) for number in done.stdout.split()]
