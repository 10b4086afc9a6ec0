"""Runs evolution with a middleware on the training service, TartEvaluator in the trials: FOLDER PORT MIDDLEWARE N."""

import json
import sys

from nni.nas.experiment import NasExperiment, NasExperimentConfig
from nni.nas.hub.pytorch import DARTS
from nni.nas.strategy import RegularizedEvolution

from tart_nas.strategies.nni_plugin import TartBestOfN, TartEvaluator, TartOverSampling, enable_resume, tart_chain

enable_resume()
folder, port, kind, n = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
JUDGED_AT = {"n_cells": 8, "C": 32}
middleware = {
    "best of n": lambda: TartBestOfN(20, "params"),
    "unfitted": lambda: TartBestOfN(20, "gp"),
    "over-sampling": lambda: TartOverSampling(4, 2, "predicted", "params"),
}[kind]()
main = RegularizedEvolution(population_size=4, sample_size=2, mutation_prob=0.3, seed=0)
config = NasExperimentConfig("ts", "simplified", "local", trial_concurrency=2, max_trial_number=n)
config.experiment_working_directory = folder
config.training_service.use_active_gpu = False
space = DARTS(width=4, num_cells=3, dataset="cifar")
strategy = tart_chain(main, middleware, concurrency=2)
experiment = NasExperiment(space, TartEvaluator(judged_at=JUDGED_AT), strategy, config)
experiment.run(port)
trained = [(model.sample, model.metric) for model in strategy.list_models()]
statuses = [job.status for job in experiment.list_trial_jobs()]
training = (middleware.predictor.metadata or {}).get("training")  # of what needs no labels there is none
learned = training["n"] if training else 0
population = [[i.x, i.y] for i in main._population]
print(json.dumps({"trained": trained, "statuses": statuses, "population": population, "learned": learned}))
experiment.stop()
