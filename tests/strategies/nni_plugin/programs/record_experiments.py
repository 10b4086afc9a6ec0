"""Runs the two small experiments whose databases lie in tests/data/nni: ``python -m ... FOLDER PORT classic|nas``.

Both are NNI's own, with its random tuner and its random strategy; nothing of TART-NAS runs in them. Several trials run
at a time, so that NNI notes some samples with other trials than those that ran them. What a trial reports follows from
its own sample alone, which tells the true pairs.
"""

import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import nni
from nni.experiment import Experiment
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.experiment import NasExperiment, NasExperimentConfig
from nni.nas.hub.pytorch import DARTS
from nni.nas.strategy import Random

from tart_nas.strategies.nni_plugin import enable_resume

SEARCH_SPACE = {
    "lr": {"_type": "loguniform", "_value": [0.001, 1]},
    "momentum": {"_type": "uniform", "_value": [0.5, 0.99]},
    "batch": {"_type": "choice", "_value": [16, 32, 64]},
    "layers": {"_type": "randint", "_value": [1, 5]},
    "units": {"_type": "quniform", "_value": [16, 128, 16]},
    "patience": {"_type": "quniform", "_value": [2, 10, 5]},
    "decay": {"_type": "qloguniform", "_value": [0.01, 10, 0.01]},
    "shift": {"_type": "normal", "_value": [1, 2]},
    "steps": {"_type": "qnormal", "_value": [100, 30, 10]},
    "scale": {"_type": "lognormal", "_value": [0, 1]},
    "budget": {"_type": "qlognormal", "_value": [3, 1, 5]},
    "optimizer": {
        "_type": "choice",
        "_value": [
            {"_name": "adam", "beta": {"_type": "uniform", "_value": [0.8, 0.999]}},
            {
                "_name": "sgd",
                "beta": {"_type": "choice", "_value": [0, 1]},
                "nesterov": {"_type": "choice", "_value": ["yes", "no"]},
            },
        ],
    },
}
"""All of NNI's types, and choices within choices; on another level of them NNI's own random tuner ends."""

TRIAL = """
import time

import nni

sample = nni.get_next_parameter()
value = sample["lr"] + sample["momentum"] + sample["units"]  # tests/.../test_studies.py computes it too
time.sleep(0.5)
if sample["layers"] == 1:
    raise RuntimeError("this trial fails")
for step in range(3):
    nni.report_intermediate_result({"default": value * (step + 1) / 3, "loss": 1.0 / (step + 1)})
    if sample["units"] < 48:  # which the assessor stops
        time.sleep(5)
if sample["batch"] == 64 and sample["layers"] == 4:
    nni.report_final_result("no number")
else:
    nni.report_final_result({"default": value, "loss": 0.25})
"""

CONCURRENCY = 5


def evaluate(_model) -> None:
    """Reports the number of skip connections of its sample, after a curve of two."""
    sample = nni.get_current_parameter().sample
    found = sum(value == "skip_connect" for value in sample.values())
    nni.report_intermediate_result(found / 2)
    nni.report_final_result(found)


def record_classic(folder: Path, port: int) -> Path:
    """14 trials of the JSON space, with an assessor."""
    (folder / "trial.py").write_text(TRIAL)
    experiment = Experiment("local")
    experiment.id = "classic"
    config = experiment.config
    config.experiment_name = "a classic experiment"
    config.experiment_working_directory = folder / "experiments"
    config.trial_command = "python3 trial.py"
    config.trial_code_directory = folder
    config.search_space = SEARCH_SPACE
    config.tuner.name = "Random"
    config.tuner.class_args = {"seed": 3}
    config.assessor.name = "Medianstop"
    config.assessor.class_args = {"optimize_mode": "maximize", "start_step": 1}
    config.max_trial_number, config.trial_concurrency = 14, CONCURRENCY
    experiment.run(port)
    experiment.stop()
    return folder / "experiments/classic/db/nni.sqlite"


def record_nas(folder: Path, port: int) -> Path:
    """4 trials of NNI's DARTS space."""
    config = NasExperimentConfig("ts", "simplified", "local", trial_concurrency=2, max_trial_number=4)
    config.experiment_name = "a search of cells"
    config.experiment_working_directory = folder / "experiments"
    config.training_service.use_active_gpu = False
    space = DARTS(width=(4, 8), num_cells=3, dataset="cifar")
    experiment = NasExperiment(space, FunctionalEvaluator(evaluate), Random(), config, id="nas")
    experiment.run(port)
    experiment.stop()
    return folder / "experiments/nas/db/nni.sqlite"


if __name__ == "__main__":
    enable_resume()  # for its patience with a manager that starts
    folder, port = Path(sys.argv[1]).resolve(), int(sys.argv[2])
    folder.mkdir(parents=True)
    record = {"classic": record_classic, "nas": record_nas}[sys.argv[3]]
    recorded = folder / f"{sys.argv[3]}.sqlite"
    shutil.copyfile(record(folder, port), recorded)
    with closing(sqlite3.connect(recorded)) as database:
        # NNI keeps a copy of the configuration of each moment, a hundred of them: the last is enough.
        database.execute("delete from ExperimentProfile where revision < (select max(revision) from ExperimentProfile)")
        # The evaluator of a model is a pickled function.
        database.execute("update TrialJobEvent set data = json_remove(data, '$.parameters.evaluator')")
        for ours, neutral in ((str(folder), "/recorded"), (sys.executable, "python"), (str(Path.cwd()), "/recorded")):
            database.execute("update ExperimentProfile set params = replace(params, ?, ?)", (ours, neutral))
            database.execute("update ExperimentProfile set logDir = replace(logDir, ?, ?)", (ours, neutral))
            database.execute("update TrialJobEvent set logPath = replace(logPath, ?, ?)", (ours, neutral))
        database.commit()
        database.execute("vacuum")
