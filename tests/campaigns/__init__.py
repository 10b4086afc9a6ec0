"""Campaigns against what writes and reads files: ``make campaign``, or ``python -m tests.campaigns --help``."""
