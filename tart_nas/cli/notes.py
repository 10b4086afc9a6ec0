"""Notes of a command to its user, which are no part of its output."""

from rich.console import Console

__all__ = ["print_note"]


def print_note(text: str, kind: str = "note: ") -> None:
    """Says something on stderr: stdout holds the output alone, for a pipe."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"{kind}{text}", markup=False)
