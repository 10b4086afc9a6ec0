"""How the optional dependencies of ``pyproject.toml`` are installed: one sentence for all messages that ask for one."""

__all__ = ["how_to_install"]


def how_to_install(extra: str) -> str:
    """The command that installs an extra, for the end of a message.

    The package is on no index: it is installed from a clone.

    Example:
        >>> how_to_install("onnx")
        "in the clone of TART-NAS, run: pip install '.[onnx]'"
    """
    return f"in the clone of TART-NAS, run: pip install '.[{extra}]'"
