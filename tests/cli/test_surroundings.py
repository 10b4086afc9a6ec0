"""What commands are run in: pipes that close, folders without write permission, narrow terminals."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tart_nas.search_spaces import DartsSpace

COMMANDS = ["search", "fit", "update", "pretrain", "score", "measure", "retrain", "export", "draw", "data"]


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    path = tmp_path_factory.mktemp("networks") / "networks.json"
    path.write_text(json.dumps([network.to_dict() for network in DartsSpace().sample(400, 0)]))
    return path


@pytest.mark.parametrize("top", [1, 400])  # less than a buffer, and more
def test_a_pipe_whose_reader_has_gone(top, networks, fork_server):
    reader, writer = os.pipe()
    os.close(reader)
    status, _, errors = fork_server.run("score", networks, "--predictor", "params", "--top", top, stdout=writer)
    os.close(writer)
    assert (status, errors) == (1, "")


def test_a_reader_that_takes_one_line(networks, fork_server):
    client = Path(__file__).resolve().parents[1] / "forks/shell_client.py"
    run = f"{sys.executable} {client} {fork_server.address} tart_nas.cli"
    score = f"{run} score {networks} --predictor params --top 400"
    line = f"{score} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=240)
    assert done.stderr == ""
    assert done.stdout.splitlines()[0].split()[0] == "1"
    assert done.stdout.splitlines()[1] in ("0", "1")  # 0: all was written before it went


@pytest.fixture(params=["below a file", "read only"])
def unwritable(request, tmp_path):
    """A folder in which nothing can be made: none below a file for anybody, none in a read-only one but for root."""
    if request.param == "below a file":
        (tmp_path / "file").write_text("no folder")
        return tmp_path / "file"
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder").chmod(0o500)
    return tmp_path / "folder"


@pytest.mark.parametrize(
    "arguments",
    [
        "search --predictor params --candidates 20 --top-k 1 --dataset digits --out {folder}/run",
        "measure darts --networks 1 --dataset digits --epochs 1 --train-images 20 --out {folder}/labels",
        "retrain darts --dataset digits --cells 2 --channels 4 --epochs 1 --train-images 20 --out {folder}/trained",
        "score {networks} --predictor params --out {folder}/scores.parquet",
        "draw darts --out {folder}/darts.svg",
        "pretrain --n 10 --out {folder}/predictor.safetensors",
        "data generate val --n 2 --out {folder}/data",
    ],
)
def test_no_permission_to_write(arguments, networks, unwritable, command):
    before = sorted(unwritable.parent.rglob("*"))
    given = arguments.format(folder=unwritable, networks=networks).split()
    status, _, errors = command(*given)
    assert status == 2
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    assert str(unwritable) in errors
    assert sorted(unwritable.parent.rglob("*")) == before


@pytest.mark.parametrize("name", COMMANDS)
def test_help_in_a_narrow_terminal(name, command):
    status, out, errors = command(name, "--help", columns=40)
    assert (status, errors) == (0, "")
    if name != "data":
        assert "--" in out
    wide = command(name, "--help", columns=100)[1]
    options = {word for word in wide.split() if word.startswith("--")}
    assert options <= set(out.split())  # none is cut
