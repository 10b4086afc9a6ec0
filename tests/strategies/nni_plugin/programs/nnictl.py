"""``nnictl``, which gives its manager 60 s to start instead of 3: the machine that tests run on may be busy."""

import sys
from functools import partial

from nni.experiment import launcher
from nni.tools.nnictl.nnictl import parse_args

launcher._check_rest_server = partial(launcher._check_rest_server, retry=60)
sys.exit(parse_args())
