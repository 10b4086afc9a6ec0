"""Real servers on 127.0.0.1 that tests start and stop themselves."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

PROXY = """
import sys
from optuna.storages import RDBStorage, run_grpc_proxy_server
run_grpc_proxy_server(RDBStorage(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]))
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Postgres:
    """A PostgreSQL of its own; as root it runs as the user that Debian's package made, since it refuses root."""

    def __init__(self) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")) or [Path(shutil.which("pg_ctl") or "")]
        self._bin, self.port = found[-1].parent, free_port()
        if not (self._bin / "initdb").exists():
            pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
        self._folder = Path(tempfile.mkdtemp(prefix="tart-postgres-"))  # which another user may enter
        self._user: dict[str, object] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            self._user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            os.chown(self._folder, user.pw_uid, user.pw_gid)
        self._run("initdb", "-D", self._folder / "data", "-U", "tart", "--auth=trust", "--no-sync")
        self.start()
        self._run("createdb", "-h", "127.0.0.1", "-p", self.port, "-U", "tart", "tart")
        self.address = f"postgresql+psycopg://tart:secret@127.0.0.1:{self.port}/tart"

    def start(self):
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self._run("pg_ctl", "-D", self._folder / "data", "-o", options, "-l", self._folder / "log", "-w", "start")

    def stop(self):
        self._run("pg_ctl", "-D", self._folder / "data", "-m", "immediate", "-w", "stop")

    def close(self):
        self.stop()
        shutil.rmtree(self._folder)

    def _run(self, program, *arguments):
        command = [str(self._bin / program), *map(str, arguments)]
        subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL, **self._user)  # type: ignore[call-overload]


def start_proxy(address):
    """Optuna's gRPC proxy in front of a storage, in a process of its own, and its address."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", PROXY, address, str(port)])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process, f"grpc://127.0.0.1:{port}"
        time.sleep(0.05)
    process.kill()
    raise AssertionError("the proxy did not start")
