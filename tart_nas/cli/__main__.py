"""``python -m tart_nas.cli``: the same as ``tart-nas``."""

from tart_nas.cli.app import main

main()
