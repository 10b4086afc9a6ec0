"""Runs or resumes an experiment with TartTopK: FOLDER PORT TRIAL K, or FOLDER PORT TRIAL K N, of N trials, all at once.

At the end it prints the picks as JSON.
"""

import json
import sys

from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.experiment import NasExperiment, NasExperimentConfig
from nni.nas.hub.pytorch import DARTS

from tart_nas.strategies.nni_plugin import TartTopK, enable_resume
from tests.strategies.nni_plugin.programs import trials

enable_resume()
folder, port, trial, k = sys.argv[1], int(sys.argv[2]), getattr(trials, sys.argv[3]), int(sys.argv[4])
n, concurrency = (int(sys.argv[5]), k) if len(sys.argv) > 5 else (k, 2)
config = NasExperimentConfig("ts", "simplified", "local", trial_concurrency=concurrency, max_trial_number=n)
config.experiment_working_directory = folder
config.training_service.use_active_gpu = False
strategy = TartTopK(k=k, candidates=300, judged_at={"n_cells": 8, "C": 32})
space = DARTS(width=4, num_cells=3, dataset="cifar")
experiment = NasExperiment(space, FunctionalEvaluator(trial), strategy, config, id="tried")
experiment.run_or_resume(port)
statuses = [job.status for job in experiment.list_trial_jobs()]
top = [model.metric for model in strategy.list_models()]
print(json.dumps({"picks": [pick.to_dict() for pick in strategy.picks], "statuses": statuses, "top": top}))
experiment.stop()
