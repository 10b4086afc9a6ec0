"""``tart-nas search --engine ray``: real clusters, of which machines, workers and searches are killed."""

import signal
import socket
import time

import pytest

from tests.runs.conftest import outcome

pytestmark = pytest.mark.ray

OPTIONS = (
    "--space darts --candidates 60 --dataset digits --cells 2 --channels 4 --train-images 120 --batch-size 40 "
    "--lr 0.05 --device cpu"
).split()


@pytest.fixture
def search(programs, predictor_file):
    """The command line of a search, without an engine."""

    def command(folder, *options):
        return ("-m", "tart_nas.cli", "search", "--predictor", predictor_file, "--out", folder, *OPTIONS, *options)

    return command


def trained(folder):
    return list(folder.glob("weights/*/network.json"))


def test_a_killed_search_ends_with_its_cluster_and_goes_on_to_the_result_of_the_other_engine(
    programs, search, tmp_path
):
    options = "--top-k 2 --random 1 --epochs 8 --quiet".split()
    status, output = programs.run(*search(tmp_path / "process", *options))
    assert status == 0, output
    process = programs.start(*search(tmp_path / "ray", *options, "--engine", "ray"))
    programs.until(lambda: trained(tmp_path / "ray"), process)
    assert programs.listening() <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    process.send_signal(signal.SIGKILL)
    process.wait()
    end = time.monotonic() + 120
    while programs.processes():
        assert time.monotonic() < end, [other.cmdline() for other in programs.processes()]
        time.sleep(0.2)

    status, of_ray = programs.run(*search(tmp_path / "ray", *options, "--engine", "ray"))
    assert status == 0, of_ray
    assert programs.processes() == []
    assert outcome(tmp_path / "ray") == outcome(tmp_path / "process")
    assert of_ray.splitlines()[1:-1] == output.splitlines()[1:-1]  # but for the seconds, and the folder


@pytest.mark.parametrize("answers", [False, True])
def test_a_cluster_that_is_not_there_is_one_line(programs, search, tmp_path, answers):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        if answers:  # but is no cluster of Ray
            other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        options = ("--top-k", 1, "--quiet", "--engine", "ray", "--ray-address", address)
        status, output = programs.run(*search(tmp_path / "run", *options), seconds=300)
    said = {
        False: f"error: No cluster of Ray answers at {address}: Connection refused.\n",
        True: f"error: What listens at {address} is no cluster of Ray: it did not answer as one.\n",
    }[answers]
    assert (status, output) == (2, said)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--engine ray --ray-address nowhere", "`--ray-address` must be HOST:PORT of the head of a cluster of Ray"),
        ("--engine ray --workers 2", "must be 1 for"),
        (
            "--ray-address 127.0.0.1:6379",
            "`--gpus-per-trial` are for",
        ),
    ],
)
def test_options_that_are_wrong(command, predictor_file, tmp_path, options, message):
    status, _, errors = command(
        "search", "--predictor", predictor_file, "--out", tmp_path / "run", *OPTIONS, *options.split()
    )
    assert status == 2
    assert message in errors
    assert not (tmp_path / "run").exists()
