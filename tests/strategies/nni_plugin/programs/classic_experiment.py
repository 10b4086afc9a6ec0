"""Runs a classic experiment of NNI's own, of one trial, that only this machine can reach: FOLDER PORT."""

import sys

from nni.experiment import Experiment

import tart_nas
from tart_nas.strategies.nni_plugin.managers import give_time_to_start

folder, port = sys.argv[1], int(sys.argv[2])
give_time_to_start()
experiment = Experiment("local")
experiment.config.experiment_working_directory = folder
experiment.config.trial_code_directory = folder
experiment.config.trial_command = (
    f"{sys.executable} -c 'import nni, os;"
    ' nni.report_final_result(nni.get_next_parameter()["x"] + ("listening" in os.environ["NODE_OPTIONS"]))\''
)
experiment.config.search_space = {"x": {"_type": "choice", "_value": [2]}}
experiment.config.tuner.name = "Random"
experiment.config.max_trial_number = experiment.config.trial_concurrency = 1
with tart_nas.nni.loopback():
    experiment.run(port)
print("metrics", [trial.finalMetricData[0].data for trial in experiment.list_trial_jobs()])
experiment.stop()
