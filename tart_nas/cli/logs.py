"""What the package logs, on the terminal."""

import logging

__all__ = ["show_log"]


def show_log(quiet: bool) -> None:
    """Shows on stderr what the package logs; of a quiet command its errors alone."""
    level = logging.ERROR if quiet else logging.INFO
    logging.basicConfig(level=level, format="%(message)s")
    logging.getLogger("tart_nas").setLevel(level)
