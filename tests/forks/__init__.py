"""Processes of their own for tests, begun in a moment."""

from tests.forks.process import ForkedProcess, ForkServer

__all__ = ["ForkServer", "ForkedProcess"]
