"""``python -m tart_nas``: the same as ``tart-nas``."""

from tart_nas.cli import main

main()
