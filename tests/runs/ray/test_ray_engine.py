"""``tart-nas search --engine ray``: real clusters, of which machines, workers and searches are killed."""

import re
import signal
import socket
import time

import optuna
import pytest

from tests.runs.conftest import outcome

pytestmark = pytest.mark.ray

OPTIONS = (
    "--space darts --candidates 60 --dataset digits --cells 2 --channels 4 --train-images 120 --batch-size 40 "
    "--lr 0.05 --device cpu"
).split()


@pytest.fixture
def search(programs, ridge_file):
    """The command line of a search, without an engine."""

    def command(folder, *options):
        return ("-m", "tart_nas.cli", "search", "--predictor", ridge_file, "--out", folder, *OPTIONS, *options)

    return command


def trials_of(folder):
    return optuna.load_study(study_name=None, storage=f"sqlite:///{folder / 'study.sqlite3'}").get_trials()


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


def test_when_a_machine_is_lost_each_pick_is_trained_exactly_once_in_the_result(programs, search, tmp_path, cluster):
    cluster, machine = cluster
    options = ("--top-k", 4, "--epochs", 30, "--engine", "ray", "--ray-address", cluster.address)
    process = programs.start(*search(tmp_path / "run", *options))

    def training():
        return set(re.findall(r"(top-\d): epoch", programs.output.read_text()))

    programs.until(lambda: len(training()) == 2, process)  # one on each machine
    cluster.remove_node(machine, allow_graceful=False)
    status, output = programs.finish(process)
    assert status == 0, output
    trials = trials_of(tmp_path / "run")
    assert sorted(trial.user_attrs["pick"] for trial in trials) == ["top-1", "top-2", "top-3", "top-4"]
    assert all(trial.state.name == "COMPLETE" and len(trial.intermediate_values) == 30 for trial in trials)
    assert len(trained(tmp_path / "run")) == 4
    epochs = re.findall(r"(top-\d): epoch (\d+):", output)
    assert len({pick for pick, epoch in epochs if epochs.count((pick, epoch)) > 1}) <= 1, "only what was lost again"


def test_a_machine_with_another_version_is_refused(programs, search, tmp_path, cluster):
    other = tmp_path / "site" / "tart_nas-0.1.9.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: tart-nas\nVersion: 0.1.9\n")
    programs.environment["PYTHONPATH"] = f"{other.parent}:{programs.environment['PYTHONPATH']}"
    options = ("--top-k", 1, "--epochs", 1, "--quiet", "--engine", "ray", "--ray-address", cluster[0].address)
    status, output = programs.run(*search(tmp_path / "run", *options))
    assert status == 2, output
    refusal = r"error: The machine \S+ has tart-nas \S+, but this process has tart-nas 0\.1\.9: all need the same "
    assert re.fullmatch(refusal + r"version\.\n", output), output


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
        ("--ray-address 127.0.0.1:6379", "`--ray-address` is for `--engine` 'ray'"),
        ("--gpus-per-trial 1", "`--gpus-per-trial` is for `--engine` 'ray'"),
    ],
)
def test_options_that_are_wrong(command, ridge_file, tmp_path, options, message):
    status, _, errors = command(
        "search", "--predictor", ridge_file, "--out", tmp_path / "run", *OPTIONS, *options.split()
    )
    assert status == 2
    assert message in errors
    assert not (tmp_path / "run").exists()
