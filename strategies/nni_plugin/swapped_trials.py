"""Which trial ran which sample: with several trials at a time, NNI's database does not know.

NNI 3.0's manager notes a sample with the trial that it starts for it, but gives it to whichever trial asks first
(``training_service/v3/compat.js``), so that samples of trials that start together may be swapped. What a trial reports
bears the number of the sample that it really ran.
"""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["actual_parameters", "put_right"]


def actual_parameters(noted: Mapping[str, int], reported: Mapping[str, int]) -> dict[str, int]:
    """The number of the sample that each trial ran.

    Args:
        noted: of each trial the number in the database, all different.
        reported: of those trials that reported something the number that this bore.

    Returns:
        Of each trial the number, all different. A trial that reported nothing keeps its number, or gets the one of the
        trial that ran its.
    """
    runners = {number: trial for trial, number in reported.items()}
    actual = {}
    for trial, number in noted.items():
        if trial in reported:
            number = reported[trial]
        else:
            while number in runners and runners[number] in noted:  # follow the swaps to the sample that is left
                number = noted[runners[number]]
        actual[trial] = number
    return actual


def put_right(trials: Sequence[Any], reported: Mapping[str, int]) -> None:
    """Gives each trial of NNI's list (``TrialJob``) the sample that it ran.

    Args:
        trials: as the experiment lists them; their final metrics tell what they ran.
        reported: as for :func:`actual_parameters`, where more is known.
    """
    single = [trial for trial in trials if len(trial.hyperParameters) == 1]
    metrics = [(trial.trialJobId, metric) for trial in single for metric in trial.finalMetricData or []]
    known = {name: int(metric.parameterId) for name, metric in metrics}  # NNI gives it as text here
    samples = {trial.hyperParameters[0].parameter_id: trial.hyperParameters[0] for trial in single}
    noted = {trial.trialJobId: trial.hyperParameters[0].parameter_id for trial in single}
    known = {trial: number for trial, number in {**reported, **known}.items() if number in samples}
    actual = actual_parameters(noted, known)
    for trial in single:
        trial.hyperParameters = [samples[actual[trial.trialJobId]]]
