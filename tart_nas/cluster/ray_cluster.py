"""A cluster of Ray's: functions of the package called on its machines, values that all of them share."""

import logging
import math
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any

from tart_nas.checks import number
from tart_nas.cluster import on_worker
from tart_nas.errors import ClusterError, MachineError, SettingError, TartError, first_line
from tart_nas.extras import how_to_install
from tart_nas.version import version

__all__ = ["RayCluster", "Task"]

Task = Any
"""A call under way: a reference of Ray's."""

_RETRIES = 5  # of a task whose worker or machine was lost: rented machines are lost often, and one task needs luck once
_CONNECT = 10.0  # seconds that the address of a cluster may take to answer
_ANSWER = 40.0  # seconds in which a command of Ray's must get an answer there; it starts in some 5 of them
_CLUSTERS = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"


class RayCluster:
    """Machines that call functions; a context manager.

    Without an address a cluster is started on this machine, which listens on the loopback interface alone and ends with
    the block. A cluster that this process is connected to already is used and left as it is.

    Example::

        with RayCluster(None) as cluster:
            shared = cluster.share(images)
            task = cluster.submit(train, [shared], pick)
            outcome = cluster.result(task)

    Args:
        address: ``HOST:PORT`` of the cluster's head; this machine must be one of the cluster. None for a local cluster.
        cpus: of each task, above 0; a part of one counts as a thread.
        gpus: of each task, at least 0; a part lets tasks share a GPU.
        quiet: whether what tasks print is shown.

    Raises:
        SettingError: if an argument is outside its range.
        ClusterError: on entering, if Ray is missing, or the cluster cannot be reached.
    """

    def __init__(self, address: str | None, *, cpus: float = 1.0, gpus: float = 0.0, quiet: bool = True) -> None:
        self._cpus, self._gpus = number("cpus_per_trial", cpus, above=0), number("gpus_per_trial", gpus, 0)
        self._host = None if address is None else host_and_port(address)
        self._address, self._quiet = address, quiet
        self._is_ours = False
        self._call: Any = None

    def __enter__(self) -> "RayCluster":
        ray = _ray()
        if ray.is_initialized():
            if self._address is not None:
                raise SettingError("`ray_address` is given, but this process is connected to a cluster of Ray already.")
        else:
            self._connect(ray)
            self._is_ours = True
        # Sent by value: a reference to the module would be resolved by whatever version a worker has.
        ray.cloudpickle.register_pickle_by_value(on_worker)
        self._call = ray.remote(on_worker.call_if_same_version)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        ray = _ray()
        with suppress(ValueError):  # entered twice at a time
            ray.cloudpickle.unregister_pickle_by_value(on_worker)
        if self._is_ours:
            ray.shutdown()  # ends its tasks too

    @property
    def device(self) -> str:
        """Where tasks compute: ``"cuda"`` if each gets a GPU or a part of one, else ``"cpu"``."""
        return "cuda" if self._gpus else "cpu"

    def lacks_machine(self) -> bool:
        """Whether no machine of the cluster, as it is now, is large enough for a task."""
        wanted = {"CPU": self._cpus, "GPU": self._gpus}
        machines = [node["Resources"] for node in _ray().nodes() if node["Alive"]]
        return not any(all(has.get(kind, 0) >= n for kind, n in wanted.items()) for has in machines)

    def slots(self) -> int:
        """How many tasks the cluster, as it is now, runs at a time; at least 1."""
        has = _ray().cluster_resources()
        by_gpu = has.get("GPU", 0) / self._gpus if self._gpus else math.inf
        return max(1, int(min(has.get("CPU", 0) / self._cpus, by_gpu)))

    def share(self, value: Any) -> Any:
        """Puts a value into the cluster's object store; each machine gets it once, at its first use."""
        return _ray().put(value)

    def submit(self, function: Callable[..., Any], shared: Sequence[Any], *arguments: Any, name: str = "") -> Task:
        """Has a machine call a function, as soon as one has room.

        A task whose worker or machine is lost is begun again by Ray, up to five times.

        Args:
            function: of a module of this package.
            shared: what :meth:`share` gave, the function's first arguments.
            arguments: its further ones.
            name: of the task, for Ray's own displays.
        """
        cloudpickle = _ray().cloudpickle
        task = self._call.options(
            num_cpus=self._cpus, num_gpus=self._gpus, max_retries=_RETRIES, name=name or function.__qualname__
        )
        packed = [cloudpickle.dumps(argument) for argument in arguments]
        threads = max(1, int(self._cpus))
        return task.remote(version(), function.__module__, function.__qualname__, threads, list(shared), packed)

    def ended(self, tasks: Sequence[Task], timeout: float | None) -> list[Task]:
        """Those of the tasks that have ended, after at most so many seconds; at least one without a limit."""
        ray = _ray()
        waited, rest = ray.wait(list(tasks), num_returns=1, timeout=timeout, fetch_local=False)
        more, _ = ray.wait(rest, num_returns=len(rest), timeout=0, fetch_local=False) if rest and waited else ([], [])
        return [*waited, *more]

    def result(self, task: Task) -> Any:
        """What a task's function gave.

        Raises:
            TartError: what the function raised, of this package.
            MachineError: what else it raised; or if its workers or machines were lost too often.
            ClusterError: if a machine has another version of the package.
        """
        exceptions = _ray().exceptions
        try:
            state, value = _ray().get(task)
        except exceptions.RayTaskError as error:
            cause = error.cause
            if isinstance(cause, TartError):
                raise cause from None
            raise MachineError(f"the task failed: {type(cause).__name__}: {first_line(cause)}") from error
        except exceptions.RayError as error:
            raise MachineError(f"Ray lost the task: {type(error).__name__}: {first_line(error)}") from error
        if state == "refused":
            raise ClusterError(f"{value}, but this process has tart-nas {version()}: all need the same version.")
        return value

    def _connect(self, ray: Any) -> None:
        options = {"log_to_driver": not self._quiet, "logging_level": logging.ERROR}
        logging.getLogger("ray").setLevel(logging.ERROR)  # what it says before it reads its options
        if self._host is None:
            try:
                with _loopback(ray):
                    ray.init(address="local", include_dashboard=False, **options)
            except Exception as error:  # whatever Ray raises: no memory to share, a machine that is too busy
                raise ClusterError(f"Ray could not be started on this machine: {first_line(error)}") from error
            return
        try:
            with socket.create_connection(self._host, _CONNECT):
                pass
        except OSError as error:
            why = error.strerror or first_line(error)
            raise ClusterError(f"No cluster of Ray answers at {self._address}: {why}.") from None
        _check_answers(f"{self._host[0]}:{self._host[1]}")
        try:
            ray.init(address=self._address, **options)
        except Exception as error:  # whatever Ray raises: another version, no node of the cluster here
            raise ClusterError(f"The cluster of Ray at {self._address} cannot be used: {first_line(error)}") from error


def host_and_port(address: str) -> tuple[str, int]:
    """The two parts of an address.

    Raises:
        SettingError: if it is something else.
    """
    host, _, port = address.rpartition(":") if isinstance(address, str) else ("", "", "")
    if not host or "/" in host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise SettingError(
            f"`ray_address` must be HOST:PORT of the head of a cluster of Ray, such as 10.0.0.1:6379, but got "
            f"{address!r}."
        )
    return host.strip("[]"), int(port)


def _ray() -> Any:
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")  # else a line that differs by its numbers alone counts as a repetition
    try:
        import ray
    except ImportError as error:
        raise ClusterError(f"Ray is not installed ({first_line(error)}): {how_to_install('ray')}.") from error
    return ray


def _check_answers(address: str) -> None:
    """Makes sure that what listens at an address is Ray, by a command that can be ended: ``ray.init`` takes minutes."""
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        done = subprocess.run(command, timeout=_ANSWER, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise ClusterError(f"What listens at {address} is no cluster of Ray: it did not answer as one.") from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it did not answer as one"]
        raise ClusterError(f"What listens at {address} is no cluster of Ray that can be used here: {said[-1]}")


@contextmanager
def _loopback(ray: Any) -> Iterator[None]:
    """A cluster that is started inside listens on the loopback interface alone.

    Ray does that by itself on Windows and macOS, where it makes no clusters of several machines, and elsewhere where
    this variable says so. Else whoever reaches the machine finds open ports, behind which there is a token alone.
    """
    constants = ray._private.ray_constants  # Ray has read the variable when it was imported
    before, enabled = os.environ.get(_CLUSTERS), constants.ENABLE_RAY_CLUSTER
    os.environ[_CLUSTERS], constants.ENABLE_RAY_CLUSTER = "0", False
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = enabled
        del os.environ[_CLUSTERS]
        os.environ.update({} if before is None else {_CLUSTERS: before})
