"""Putting a strategy of NNI and one of our middlewares together, where that works."""

import logging
from typing import Any

from tart_nas.errors import NniError, SettingError
from tart_nas.strategies.nni_plugin.availability import require_nni
from tart_nas.strategies.nni_plugin.middleware import TartBestOfN, TartOverSampling
from tart_nas.strategies.nni_plugin.top_k import TartTopK

require_nni()

from nni.nas.strategy import GridSearch, PolicyBasedRL, Random, RegularizedEvolution  # noqa: E402
from nni.nas.strategy.base import Strategy  # noqa: E402
from nni.nas.strategy.hpo import HPOTunerStrategy  # noqa: E402
from nni.nas.strategy.middleware import Chain, StrategyMiddleware  # noqa: E402

__all__ = ["tart_chain"]


def tart_chain(strategy: Strategy, *middlewares: StrategyMiddleware, concurrency: int | None = None) -> Chain:
    """NNI's ``Chain``, refusing what would break in the midst of an experiment.

    Args:
        strategy: the main strategy.
        middlewares: one :class:`TartBestOfN` or :class:`TartOverSampling`, and any others of NNI, in their order.
        concurrency: the experiment's ``trial_concurrency``, which some combinations depend on.

    Raises:
        NniError: if the combination breaks, and why.
        SettingError: if there is not exactly one of ours.
    """
    ours = [middleware for middleware in middlewares if isinstance(middleware, TartBestOfN | TartOverSampling)]
    if len(ours) != 1:
        raise SettingError(f"There must be one TartBestOfN or TartOverSampling, but got {len(ours)}.")
    (middleware,) = ours
    name = type(strategy).__name__
    if not isinstance(strategy, Strategy):
        raise SettingError(f"The first argument must be an NNI strategy, but got a {name}.")
    if isinstance(strategy, TartTopK):
        raise NniError("TartTopK judges its candidates itself: use it without a middleware.")
    if not _submits_models(strategy):
        raise NniError(f"{name} trains one network that holds all models and submits none: nothing can be judged.")
    if isinstance(middleware, TartBestOfN):
        _check_best_of_n(strategy, name)
        _connect(strategy, middleware)
    else:
        _check_over_sampling(strategy, middleware, name, concurrency)
    return Chain(strategy, *middlewares)


def _submits_models(strategy: Strategy) -> bool:
    from nni.nas.oneshot.pytorch.strategy import OneShotStrategy

    return not isinstance(strategy, OneShotStrategy)


def _check_best_of_n(strategy: Strategy, name: str) -> None:
    if isinstance(strategy, HPOTunerStrategy | PolicyBasedRL):
        raise NniError(f"{name} takes a metric for that of its own proposal, which TartBestOfN replaces: use Random or "
                       "RegularizedEvolution, or TartOverSampling.")  # fmt: skip
    if isinstance(strategy, GridSearch):
        raise NniError("GridSearch lists each model once, which leaves TartBestOfN no rivals: use TartOverSampling.")
    if not isinstance(strategy, Random | RegularizedEvolution):
        raise NniError(f"TartBestOfN does not know how {name} proposes rivals: use Random or RegularizedEvolution.")


def _check_over_sampling(strategy: Strategy, ours: TartOverSampling, name: str, concurrency: int | None) -> None:
    if isinstance(strategy, PolicyBasedRL):
        raise NniError(f"{name} waits for each of its models before it submits more, so that no pool ever fills.")
    if not isinstance(strategy, RegularizedEvolution):
        return
    if ours.pool > strategy.population_size:
        raise NniError(
            f"RegularizedEvolution would choose parents from an empty population: `pool` ({ours.pool}) must not exceed "
            f"`population_size` ({strategy.population_size})."
        )
    if ours.told == "invalid" and concurrency != 1:
        raise NniError(
            "RegularizedEvolution would choose parents from an empty population while the first pool is in training: "
            "with told='invalid' it needs `trial_concurrency` 1 (say so with concurrency=1); or use told='predicted'."
        )


def _connect(strategy: Any, middleware: TartBestOfN) -> None:
    """Lets the middleware draw rivals as the strategy draws its models, without the strategy's log lines."""
    # Evolution logs each model that it proposes, also the rivals that are never trained.
    log = logging.getLogger("nni.nas.strategy.evolution")

    def propose() -> Any:
        level = log.level
        log.setLevel(logging.WARNING)
        try:
            if isinstance(strategy, Random):
                return strategy._retry_helper.retry(strategy.random, strategy.model_space)
            # As RegularizedEvolution itself goes on: random models until the population is full, then children of it.
            started = len(strategy._population) + len(strategy._running_models) >= strategy.population_size
            bred = started and len(strategy._population) > 0
            return strategy._retry_helper.retry(strategy.new_individual if bred else strategy.random)
        finally:
            log.setLevel(level)

    def withdraw(sample: Any) -> None:
        if strategy._dedup_helper is not None:  # it was not trained: it may be proposed again
            strategy._dedup_helper.remove(sample)

    middleware.propose, middleware.withdraw = propose, withdraw
