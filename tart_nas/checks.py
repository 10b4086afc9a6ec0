"""Checks of what users give, and how their messages tell it."""

__all__ = ["short"]


def short(value: object) -> str:
    """A value as a message shows it, in at most 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
