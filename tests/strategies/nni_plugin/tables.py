"""What stands in the place of training, a metric that is known beforehand, and the spaces that it is of."""

from typing import Any

import nni
import numpy as np
from nni.nas.evaluator import Evaluator
from nni.nas.space import SimplifiedModelSpace

from tart_nas.search_spaces import DartsSpace


def separable(sample):
    """A metric with a best sample: the share of separable convolutions."""
    ops = [value for label, value in sample.items() if "/op_" in label]
    return sum(op.startswith("sep") for op in ops) / len(ops)


class Known(Evaluator):  # type: ignore[misc]
    """Reports a function of the sample, a metric or something that is none; it may raise."""

    def __init__(self, metric=separable):
        self.metric = metric
        self.seen: list[dict[str, Any]] = []

    def _execute(self, model):
        self.seen.append(model.sample)
        metric = self.metric(model.sample)
        if metric is not None:
            nni.report_final_result(metric)


class CountsSeparable:
    """A predictor that knows the metric of :func:`separable` up to a factor; it notes what it is told."""

    def __init__(self):
        self.updates: list[tuple[int, list[float], int]] = []

    def predict(self, architectures):
        return np.array(
            [sum(op.startswith("sep") for op, _ in (*a.genotype.normal, *a.genotype.reduce)) for a in architectures]
        )

    def update(self, architectures, targets, seed=0):
        self.updates.append((len(architectures), list(targets), seed))


def samples_of(hub, n, seed=0, **settings):
    """Different networks of the DARTS space as samples of NNI's."""
    return [hub.sample(architecture) for architecture in DartsSpace(**settings).sample(n, seed)]


def simplified(network):
    """A user's own space as a strategy gets it: a function of the evaluator."""
    return lambda evaluator: SimplifiedModelSpace.from_model(network, evaluator)
