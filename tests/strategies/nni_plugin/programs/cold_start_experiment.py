"""Runs an experiment in MobileNetV3's space with a predictor that knows nothing at first: FOLDER PORT.

At the end it prints the picks as JSON, and what the predictor was fitted to.
"""

import json
import sys

from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.experiment import NasExperiment, NasExperimentConfig
from nni.nas.hub.pytorch import MobileNetV3Space

from tart_nas.strategies.nni_plugin import TartTopK
from tart_nas.strategies.nni_plugin.managers import give_time_to_start
from tests.strategies.nni_plugin.programs import trials

give_time_to_start()
folder, port = sys.argv[1], int(sys.argv[2])
config = NasExperimentConfig("ts", "simplified", "local", trial_concurrency=2, max_trial_number=6)
config.experiment_working_directory = folder
config.training_service.use_active_gpu = False
strategy = TartTopK(k=4, candidates=12, rounds=2, predictor="gp-graph", input_size=32)
widths = (16, 16, 16, 16, 24, 32, 32, 48, 64)
space = MobileNetV3Space(num_labels=10, base_widths=widths)
experiment = NasExperiment(space, FunctionalEvaluator(trials.sound), strategy, config, id="cold")
experiment.run(port)
training = strategy.predictor.metadata["training"]
print(json.dumps({"picks": [pick.to_dict() for pick in strategy.picks], "labels": training["n"]}))
experiment.stop()
