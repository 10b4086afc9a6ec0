"""How the command of an experiment ends."""

import sys
from collections.abc import Callable

from tart_nas.errors import TartError

__all__ = ["exit_status"]


def exit_status(run: Callable[[], None]) -> int:
    """Runs the experiment: 0, or 2 after one line on what is wrong."""
    try:
        run()
    except (TartError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0
