"""Where NNI's manager listens: on this machine alone, unless somebody wants otherwise.

NNI 3.0 has no option for it. Its manager listens on all interfaces, starts programs for whoever reaches its port, and
serves any file of the machine (``/logs/..%2F..%2Fetc%2Fpasswd``). The manager is a program of Node: ``NODE_OPTIONS``
has Node load ``listening.js`` first, which gives a host to the servers that name none. Nothing here needs NNI.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tart_nas.checks import one_of
from tart_nas.choices import LOOPBACK, NNI_HOSTS

__all__ = ["loopback", "manager_environment", "reached_by"]

_logger = logging.getLogger(f"nni.{__name__}")  # below "nni", so that NNI shows and keeps it

_SCRIPT = Path(__file__).with_name("listening.js")


def manager_environment(host: str = LOOPBACK) -> dict[str, str]:
    """Environment variables under which a manager of NNI listens on a host.

    Example:
        >>> import subprocess
        >>> environment = {**os.environ, **manager_environment()}
        >>> subprocess.run(["nnictl", "create", "--config", "config.yml"], env=environment)  # doctest: +SKIP

    Args:
        host: ``"127.0.0.1"``, this machine alone; ``"0.0.0.0"`` or ``"::"``, all interfaces. No other one: the
            experiment and its trials reach the manager at ``localhost``.

    Raises:
        SettingError: if it is another host.
    """
    one_of("host", host, NNI_HOSTS)
    before = os.environ.get("NODE_OPTIONS", "")
    if str(_SCRIPT) in before:  # within another block
        before = os.environ.get("TART_NAS_NODE_OPTIONS", "")
    path = str(_SCRIPT).replace("\\", "\\\\").replace('"', '\\"')
    return {
        "NODE_OPTIONS": f'{before} --require "{path}"'.strip(),
        "TART_NAS_NODE_OPTIONS": before,
        "TART_NAS_NNI_HOST": host,
    }


@contextmanager
def loopback(host: str = LOOPBACK) -> Iterator[None]:
    """A block in which managers of NNI are started that only this machine can reach, and says so in the log.

    For experiments whose trials run on this machine: the trials of NNI's remote training services must reach the
    manager from elsewhere.

    Example:
        >>> with loopback():  # doctest: +SKIP
        ...     experiment.run(port=8081)

    Args:
        host: as for :func:`manager_environment`.

    Raises:
        SettingError: if it is another host.
    """
    changed = manager_environment(host)
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    _logger.info("NNI's manager listens on %s: %s.", host, reached_by(host))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def reached_by(host: str) -> str:
    """Who reaches a manager that listens on a host, in words."""
    return "only this machine reaches it" if host == LOOPBACK else "whoever reaches this machine can start programs"
