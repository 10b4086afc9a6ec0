"""The command line: each command reads its options, calls one library function and prints what it gave."""

from tart_nas.cli.app import main

__all__ = ["main"]
