import base64
import json
import sys
import time
from pathlib import Path
from shutil import copyfile

import nni_node
import numpy as np
import pytest
from nni import NoMoreTrialError
from nni.algorithms.hpo.random_tuner import RandomTuner
from nni.algorithms.hpo.tpe_tuner import TpeTuner

from tart_nas.architecture import Architecture
from tart_nas.errors import ArchitectureError, CheckpointError, NniError, SettingError
from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DartsSpace
from tart_nas.strategies.nni_plugin import TartTuner, cell_architecture
from tart_nas.strategies.nni_plugin.imported_trials import true_pairs
from tart_nas.strategies.nni_plugin.json_space import JsonSpace
from tart_nas.strategies.nni_plugin.migration.database import read_experiment
from tests.strategies.nni_plugin.tables import CountsSeparable

DATA = Path(__file__).resolve().parents[2] / "data/nni"
SPACE = json.loads((Path(__file__).resolve().parents[3] / "experiments/nni/search_space.json").read_text())


def started(space=SPACE, **settings):
    tuner = TartTuner(**{"candidates": 200, "k": 5, **settings})
    tuner.update_search_space(space)
    return tuner


@pytest.fixture
def counts(monkeypatch):
    """The predictor that a tuner opens, whatever its name."""
    predictor = CountsSeparable()
    monkeypatch.setattr(Predictor, "open", lambda name: predictor)
    return predictor


def width_of(sample):
    """A function for `convert`."""
    return DartsSpace(C=sample["channels"]).sample(1, seed=0)[0]


def test_the_best_are_handed_out_first():
    tuner = started()
    handed = tuner.generate_multiple_parameters(range(5))
    scores = Predictor.from_pretrained("darts-cifar10").predict([cell_architecture(sample) for sample in handed])
    assert scores.tolist() == sorted(scores, reverse=True)
    drawn = JsonSpace(SPACE, True).draw(200, np.random.default_rng([0, 0]))
    everything = Predictor.from_pretrained("darts-cifar10").predict([cell_architecture(sample) for sample in drawn])
    assert scores == pytest.approx(np.sort(everything)[::-1][:5])
    json.dumps(handed)


def test_it_learns_between_rounds_and_repeats_nothing(counts):
    tuner = started(optimize_mode="minimize")
    handed = [tuner.generate_parameters(i) for i in range(5)]
    values = [0.5, {"default": 0.25, "x": 1}, float("nan"), {"x": 1}, 0.75]
    for i, value in enumerate(values):
        tuner.receive_trial_result(i, handed[i], value)
        tuner.trial_end(i, True)
    handed += [tuner.generate_parameters(i) for i in range(5, 12)]
    assert counts.updates == [(3, [-0.5, -0.25, -0.75], 1)]
    assert len({json.dumps(sample) for sample in handed}) == 12


def test_it_keeps_nothing_of_what_is_not_handed_out(counts):
    tuner = started()
    for number in range(12):
        tuner.generate_parameters(number)
    assert max(len(kept) for kept in vars(tuner).values() if isinstance(kept, list | dict | set)) == 12


def test_imported_trials_are_known(counts):
    first = started()
    handed = [first.generate_parameters(i) for i in range(5)]
    second = started()
    second.import_data([{"parameter": handed[0], "value": 0.5}, {"parameter": handed[1], "value": {"x": 1}}])
    assert second.generate_parameters(9) not in handed[:2]
    assert counts.updates == [(1, [0.5], 0)]


def test_trials_outside_the_space_are_passed_over(counts, caplog):
    """People import trials of other experiments, and add some by hand on the web page."""
    tuner = started()
    first = tuner.generate_parameters(0)
    with caplog.at_level("WARNING", "nni"):
        tuner.import_data([{"parameter": {"lr": 0.1}, "value": 0.5}, {"parameter": "by hand", "value": 0.5}])
        tuner.receive_trial_result(1, {**first, "normal/op_2_0": "conv_9x9"}, 0.5)
    assert caplog.text.count("A trial outside the search space is passed over. Cannot judge the sample") == 3
    tuner.receive_trial_result(0, first, 0.25)
    [tuner.generate_parameters(i) for i in range(2, 8)]
    assert counts.updates == [(1, [0.25], 1)]


def test_a_resumed_tuner_learns_the_true_pairs(tmp_path, monkeypatch):
    """Of the recorded experiment, NNI's database notes some samples with other trials than those that ran them."""
    (tmp_path / "db").mkdir()
    copyfile(DATA / "classic.sqlite", tmp_path / "db/nni.sqlite")
    monkeypatch.setenv("NNI_LOG_DIRECTORY", str(tmp_path / "log"))
    trials = [trial for trial in read_experiment(tmp_path).trials if trial.status == "SUCCEEDED" and trial.sample]
    samples = {trial.sample_number: trial.sample for trial in trials}
    told = [
        {"parameter": samples.get(trial.noted_number, {}), "value": trial.final, "trialJobId": trial.id}
        for trial in trials
    ]
    assert any(entry["parameter"] != trial.sample for entry, trial in zip(told, trials, strict=True))
    assert [entry["parameter"] for entry in true_pairs(told)] == [trial.sample for trial in trials]
    foreign = [{"parameter": {"x": 1}, "value": 0.5}]
    assert true_pairs(foreign) == foreign
    (tmp_path / "db/nni.sqlite").write_bytes(b"")
    assert true_pairs(told) == told


def test_a_dispatcher_ends_with_its_manager(programs, tmp_path):
    """Else it would take the place of the new one in ``nnictl resume``."""
    name = "tart_nas.strategies.nni_plugin.TartTuner"
    tuner = {"className": name, "codeDirectory": ".", "classArgs": {"predictor": "params"}}
    parameters = base64.b64encode(json.dumps({"tuner": tuner}).encode()).decode()
    node = Path(nni_node.__path__[0])
    (tmp_path / "manager.js").write_text(f"""
        const {{ WebSocketServer }} = require("{node}/node_modules/ws");
        const server = new WebSocketServer({{ port: 0 }}, () => {{
          process.env.NNI_TUNER_COMMAND_CHANNEL = `ws://localhost:${{server.address().port}}`;
          require("child_process").spawn("{sys.executable} -m nni --exp_params {parameters}", {{ shell: true }});
        }});
        server.on("connection", () => console.log("connected"));
    """)
    manager = programs.start(node / "node", tmp_path / "manager.js")
    while "connected" not in programs.output.read_text():
        time.sleep(0.1)
    assert any("nni" in process.cmdline() for process in programs.processes())
    manager.kill()
    manager.wait()
    end = time.monotonic() + 60
    while programs.processes():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_small_space_is_used_up():
    space = {"channels": {"_type": "choice", "_value": [8, 16, 32]}}
    tuner = started(space, convert=f"{__name__}.width_of", predictor="params")
    assert [tuner.generate_parameters(i)["channels"] for i in range(3)] == [32, 16, 8]
    with pytest.raises(NoMoreTrialError):
        tuner.generate_parameters(3)
    assert tuner.generate_multiple_parameters([4, 5]) == []


def test_what_is_not_judged_is_not_handed_out(tmp_path, ridge_file):
    data = [a for a in DartsSpace().sample(300, seed=3) if "dil_conv_5x5" not in a.genotype.ops]
    narrow = Predictor("ridge").fit(data, Predictor.load(ridge_file).predict(data))
    narrow.save(tmp_path / "narrow.safetensors")
    tuner = started(predictor=str(tmp_path / "narrow.safetensors"), k=200)
    drawn = JsonSpace(SPACE, True).draw(200, np.random.default_rng([0, 0]))
    judged = narrow.judges([cell_architecture(sample) for sample in drawn])
    assert 0 < judged.sum() < 100
    handed = tuner.generate_multiple_parameters(range(int(judged.sum())))
    assert narrow.judges([cell_architecture(sample) for sample in handed]).all()


@pytest.mark.parametrize(("name", "kind"), [("Random", RandomTuner), ("TPE", TpeTuner)])
def test_the_best_of_an_inner_tuners_proposals(name, kind, monkeypatch):
    space = {**SPACE, "lr": {"_type": "loguniform", "_value": [0.001, 0.1]}}
    alone = kind(seed=1)
    alone.update_search_space(space)
    proposals = [alone.generate_parameters(number) for number in range(10)]
    heard: list[tuple[object, int]] = []
    monkeypatch.setattr(
        kind, "receive_trial_result", lambda self, number, *arguments, **named: heard.append(("result", number))
    )
    monkeypatch.setattr(kind, "trial_end", lambda self, number, success, **named: heard.append((success, number)))
    tuner = started(space, inner={"name": name, "classArgs": {"seed": 1}}, candidates=10)
    sample = tuner.generate_parameters(0)
    assert 0.001 <= sample["lr"] <= 0.1
    assert [success for success, _ in heard] == [False] * 9
    (real,) = set(range(10)) - {number for _, number in heard}
    tuner.trial_end(0, True)
    tuner.receive_trial_result(0, sample, 0.5)
    assert heard[9:] == [(True, real), ("result", real)]
    scores = Predictor.from_pretrained("darts-cifar10").predict([cell_architecture(each) for each in proposals])
    assert real == scores.argmax()
    assert sample == proposals[real]


def test_other_parameters_and_open_sizes_go_along():
    sgd = {"_name": "sgd", "momentum": {"_type": "uniform", "_value": [0, 1]}}
    space = {
        **SPACE,
        "lr": {"_type": "uniform", "_value": [0.1, 0.2]},
        "width": {"_type": "choice", "_value": [8, 16]},
        "optimizer": {"_type": "choice", "_value": [sgd]},
    }
    sample = started(space).generate_parameters(0)
    assert 0.1 <= sample["lr"] <= 0.2
    assert sample["optimizer"]["_name"] == "sgd"
    assert sample["width"] == cell_architecture(sample).C
    assert isinstance(cell_architecture(sample, n_cells=5), Architecture)


def test_bad_arguments(tmp_path):
    for settings, message in (
        ({"topk": 3}, "TartTuner has no argument 'topk' in `classArgs`"),
        ({"k": 0}, "`k` must be a whole number of at least 1, but got 0"),
        ({"candidates": "many"}, "`candidates`"),
        ({"optimize_mode": "best"}, "`optimize_mode` must be one of maximize, minimize"),
        ({"convert": "nowhere.at_all"}, "dotted name of a function, but got 'nowhere.at_all'"),
        ({"inner": "TPE"}, "`inner` must be a mapping"),
        ({"inner": {"name": "TPE", "classArgs": {"seeds": 1}}}, "NNI cannot make the inner tuner"),
        ({"inner": {"name": "None such"}}, "inner tuner"),
    ):
        with pytest.raises(SettingError, match=message):
            TartTuner(**settings)
    with pytest.raises(CheckpointError, match="no predictor at"):
        TartTuner(predictor=str(tmp_path / "missing"))


def test_bad_spaces():
    for space, message in (
        ({"x": {"_type": "choice", "_value": [1, 2]}}, "tells no cells.*give `convert`"),
        ({"x": [1, 2]}, "Not a search space of NNI"),
        ({**SPACE, "normal/op_2_0": {"_type": "choice", "_value": ["conv_9x9"]}}, "does not know: conv_9x9"),
    ):
        with pytest.raises(NniError, match=message):
            started(space)
    with pytest.raises(ArchitectureError, match="lacks"):
        cell_architecture({"normal/op_2_0": "skip_connect"})
