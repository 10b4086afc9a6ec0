"""Where managers listen, told by the kernel."""

import json
import os
import subprocess
import time
from pathlib import Path
from urllib.request import urlopen

import nni_node
import pytest

import tart_nas
from tart_nas.errors import SettingError

NODE = Path(nni_node.__path__[0]) / "node"
SERVERS = """
const http = require("http"), servers = [];
const seen = (server) => servers.push(server.address().address) == 6 && (console.log(
  JSON.stringify([servers.sort(), process.env.NODE_OPTIONS || null])), process.exit());
const server = () => { const made = http.createServer(); made.on("listening", () => seen(made)); return made };
server().listen(0);
server().listen(0, () => null);
server().listen(0, undefined, undefined, () => null);
server().listen({ port: 0 });
server().listen(0, "127.0.0.2");
server().listen({ port: 0, host: "127.0.0.3" });
"""


def served(environment):
    done = subprocess.run(
        [NODE, "-e", SERVERS], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_servers_that_name_no_host_get_one(monkeypatch):
    monkeypatch.delenv("NODE_OPTIONS", raising=False)
    named = ["127.0.0.2", "127.0.0.3"]
    assert served({}) == [[*named, *["::"] * 4], None]
    assert served(tart_nas.nni.manager_environment()) == [["127.0.0.1"] * 4 + named, None]
    assert served(tart_nas.nni.manager_environment("0.0.0.0")) == [["0.0.0.0"] * 4 + named, None]
    monkeypatch.setenv("NODE_OPTIONS", "--no-warnings")  # the user's own are kept, for the manager and for its trials
    assert served(tart_nas.nni.manager_environment()) == [["127.0.0.1"] * 4 + named, "--no-warnings"]


def test_the_environment_is_as_before_after_a_block(monkeypatch):
    monkeypatch.setenv("NODE_OPTIONS", "--no-warnings")
    before = dict(os.environ)
    with tart_nas.nni.loopback("0.0.0.0"), tart_nas.nni.loopback():
        assert os.environ["NODE_OPTIONS"].count("--require") == 1
        assert served({})[0][:4] == ["127.0.0.1"] * 4
    assert dict(os.environ) == before
    with pytest.raises(SettingError, match=r"`host` must be one of 127.0.0.1, 0.0.0.0, ::, but got '10.0.0.1'"):
        tart_nas.nni.manager_environment("10.0.0.1")


def test_an_experiment_is_reached_from_this_machine_only(programs, port, tmp_path):
    process = programs.python("classic_experiment.py", tmp_path, port)
    while process.poll() is None and ("127.0.0.1", port) not in programs.listening():
        time.sleep(0.1)
    assert programs.listening() == {("127.0.0.1", port)}
    with urlopen(f"http://localhost:{port}/api/v1/nni/check-status", timeout=20) as answer:
        assert answer.status == 200
    status, output = programs.finish(process)
    assert status == 0, output
    assert "NNI's manager listens on 127.0.0.1: only this machine reaches it." in output
    assert "\nmetrics [2]\n" in output
