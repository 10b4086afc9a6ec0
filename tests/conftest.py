import hashlib
import json
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Tests run side by side, and threads that wait for a core spin. PyTorch reads this when it is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import pytest
import torch

from tart_nas.cli import main
from tart_nas.predictors import Predictor
from tests.forks import ForkServer
from tests.labels import Labelled, darts_labels, nasbench301_entries
from tests.undrawn import undrawn_figures

hypothesis.settings.register_profile(  # no test depends on how fast the machine is
    "any speed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any speed")


def pytest_collection_modifyitems(items):
    """Marks what follows from where a test lies and what it asks for."""
    for item in items:
        if "nni_plugin" in item.path.parts:
            item.add_marker(pytest.mark.nni)
        if "all_of_cifar10" in item.fixturenames:
            item.add_marker(pytest.mark.data)


def pytest_runtest_setup(item):
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs a GPU")


@pytest.fixture(autouse=True)
def _as_in_a_new_process():
    """No test depends on what was drawn or set before it: tests run in another order each time."""
    torch.manual_seed(0)
    logging.getLogger("tart_nas").setLevel(logging.NOTSET)  # which the command `retrain --quiet` sets


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder tests/data, which no test changes; its README says what each file is."""
    return Path(__file__).resolve().parent / "data"


@pytest.fixture(scope="session", autouse=True)
def _data_unchanged(data):
    before = _digests(data)
    yield
    assert _digests(data) == before, f"a test has changed {data}: tests write to `tmp_path`"


def _digests(folder):
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="session")
def generator_files(data: Path) -> Path:
    """The folder with 24 networks of all splits, as the generator of DeepNets-1M wrote them."""
    return data / "deepnets1m"


@pytest.fixture(scope="session")
def generator_nets(generator_files) -> dict[str, list[dict[str, Any]]]:
    """300 networks of that generator by split: what a meta file tells of each, and the SHA-256 of its graph."""
    nets: dict[str, list[dict[str, Any]]] = json.loads((generator_files / "networks.json").read_text())
    assert sum(map(len, nets.values())) == 300
    return nets


@pytest.fixture(scope="session")
def nets(generator_nets):
    """The 300 nets: (split, index, description)."""
    return [(split, index, net) for split, nets in generator_nets.items() for index, net in enumerate(nets)]


@pytest.fixture(scope="session")
def labelled() -> Labelled:
    """718 architectures of the DARTS space with their accuracies in per cent."""
    return darts_labels()


@pytest.fixture(scope="session")
def darts_file(labelled: Labelled, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a file; tests may not change it."""
    path = tmp_path_factory.mktemp("labels") / "darts_train.json"
    path.write_text(json.dumps(nasbench301_entries(labelled)))
    return path


@pytest.fixture(scope="session")
def ridge_file(labelled: Labelled, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a predictor that is fitted in a moment."""
    path = tmp_path_factory.mktemp("predictor") / "ridge.safetensors"
    Predictor("ridge").fit(*labelled).save(path)
    return path


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """Starts processes of their own that need not import everything again."""
    paths = [str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")]
    with ForkServer({**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "MPLBACKEND": "Agg"}) as server:
        yield server


@pytest.fixture
def undrawn() -> Iterator[None]:
    """Figures of this process are empty."""
    with undrawn_figures():
        yield


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs ``tart-nas`` in this process, which saves the seconds of its imports: status, output, errors."""

    def run(*arguments, columns=200):
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setattr(sys, "argv", ["tart-nas", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, *capsys.readouterr()

    return run
