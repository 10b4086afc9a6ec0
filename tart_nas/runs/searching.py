"""The main job: candidates -> scores -> top k -> SGD -> report; alone, or with workers in other processes."""

import inspect
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.pruners import BasePruner
from optuna.storages import BaseStorage
from rich.console import Console

from tart_nas.choices import DEFAULT_DATASET, LOOPBACK, BudgetName
from tart_nas.devices import resolve_device
from tart_nas.generators import ArchitectureGenerator
from tart_nas.hypernetworks import PredictedStart
from tart_nas.predictors import Predictor
from tart_nas.runs.arguments import (
    check_budget,
    check_engine,
    check_generator,
    check_latency_predictor,
    check_scope,
    check_types,
)
from tart_nas.runs.candidate_networks import check_importable, check_own_space
from tart_nas.runs.candidates import digest
from tart_nas.runs.costs import Costs, keep_reference, own_image_size, read_reference
from tart_nas.runs.defaults import (
    default_budget,
    default_predictor,
    default_recipe,
    default_space,
    default_strategy,
    is_small,
)
from tart_nas.runs.facts import FACTS, PredictorFacts, RunFacts
from tart_nas.runs.folder import RunFolder
from tart_nas.runs.goals import Goals
from tart_nas.runs.local_workers import local_workers
from tart_nas.runs.own_training import OwnTraining
from tart_nas.runs.picking import agreement_of_round, explores, picks_of_round
from tart_nas.runs.pictures import attach_pictures
from tart_nas.runs.provenance import Provenance, call_text, now
from tart_nas.runs.publishing import publish_networks
from tart_nas.runs.queue import run_queue
from tart_nas.runs.report import UnfinishedReport, write_report
from tart_nas.runs.result import SearchResult
from tart_nas.runs.scoring import score_candidates
from tart_nas.runs.settings import GIVEN_IMAGES, SearchSettings, TrainingBudget
from tart_nas.runs.storage import ALL_TRAINED, check_storage, storage_address
from tart_nas.runs.study import name_metric, plan, study_of_run
from tart_nas.runs.training import Trainer, load_run_images
from tart_nas.runs.working import HEARTBEAT, pause
from tart_nas.search_spaces import ArchitectureSource, DartsSpace, TrialArchitecture, TrialSpace
from tart_nas.search_spaces.trial_architecture import AnyArchitecture
from tart_nas.strategies.cold_start import check_rounds, predictor_identity
from tart_nas.training import TrainingRecipe
from tart_nas.trials import TrialQueue

if TYPE_CHECKING:
    from tart_nas.runs.nni_engine import NniEngine
    from tart_nas.runs.ray_engine import RayEngine

__all__ = ["search"]

_FINISHED = "finished"  # user attribute of the study


def search(
    space: ArchitectureSource | None = None,
    *,
    predictor: Predictor | str | Path | None = None,
    candidates: int | Sequence[AnyArchitecture] = 10_000,
    top_k: int = 3,
    random: int = 0,
    dataset: Any = DEFAULT_DATASET,
    data_dir: Path | str | None = None,
    out: Path | str = "runs/search",
    budget: TrainingBudget | BudgetName | None = None,
    recipe: TrainingRecipe | None = None,
    seed: int = 0,
    strategy: str | None = None,
    generator: ArchitectureGenerator | str | Path | None = None,
    rounds: int | None = None,
    min_distance: int = 0,
    objectives: Sequence[str] = ("accuracy",),
    constraints: Mapping[str, float] | None = None,
    latency_predictor: Predictor | str | Path | None = None,
    storage: str | Path | BaseStorage | None = None,
    heartbeat: float = 10.0,
    engine: str = "process",
    nni_port: int | None = None,
    nni_host: str = LOOPBACK,
    nni_concurrency: int = 1,
    ray_address: str | None = None,
    cpus_per_trial: float = 1,
    gpus_per_trial: float = 0,
    workers: int = 1,
    device: str | None = None,
    progress: bool = False,
    init: str | None = None,
    train: OwnTraining | None = None,
    pruner: BasePruner | None = None,
    command: str | None = None,
) -> SearchResult:
    """Scores many candidates, trains the best few with SGD, and writes a report.

    The same call on the same folder resumes a run that was killed: what was finished is not trained again, and the
    run ends with the trials of an undisturbed one. A network is recorded as failed for ever if the fault is its own: a
    loss or an output that is not finite, a shape that cannot be. What failed because a worker stopped or memory did not
    suffice is trained by the next call, and a fault of the machine ends this one. Networks are compared by validation
    accuracy; the test split is read once, after all of them were trained.

    Example:
        >>> import tart_nas
        >>> result = tart_nas.search(candidates=1000, top_k=2, out="runs/doc")  # doctest: +SKIP
        >>> print(result)  # doctest: +SKIP

    Args:
        space: what candidates are sampled from, a search space (one of your own is a
            :class:`tart_nas.TrialSpace`) or a split of DeepNets-1M; by default DeepNets-1M's ``search`` split, or the
            space of the given predictor (:func:`default_space`).
            The predictor judges an architecture at the space's settings, whatever the training budget.
        predictor: one that was fitted, the name of a bundled one, or the path of a saved one; by default
            that of :func:`default_predictor`. Or an unfitted one, or the name of a kind (``"gp"``, ``"gp-graph"``): it
            learns from what the rounds train, of which the first takes random candidates.
        candidates: how many to sample, or the architectures themselves. A source that has fewer different ones gives
            all that it has.
        top_k: how many of the best are trained, in each round.
        random: how many random candidates are trained beside them, to show what the predictor bought.
        dataset: the name of a data set, ``"folder"`` for your own in ``data_dir``; or the images themselves: a data set
            of PyTorch, tensors, or a mapping of ``train``, ``validation`` and ``test`` to such. See
            :func:`tart_nas.images.load_images`. The default comes with the package.
        data_dir: where the images are; see :func:`tart_nas.images.load_images`.
        out: the run folder.
        budget: shrinks what is trained; or the name of a budget, ``"tiny"``, ``"small"``, ``"medium"`` or ``"full"``
            (:func:`default_budget`).
        recipe: how networks are trained; by default as the budget of that name says (:func:`default_recipe`).
        seed: of everything random.
        strategy: ``"topk"``: the best of the candidates. ``"evolution"``: as many candidates are found by evolution on
            the predictor alone (:func:`tart_nas.strategies.evolve`), with several objectives by NSGA-II. ``"active"``:
            in several rounds, what may yet be the best by prediction and uncertainty. ``"generate"``: the candidates
            are those that a generator writes. By default that of :func:`default_strategy`.
        generator: of ``"generate"``: one that was fitted, the name of a bundled one, or the path of a saved one; by
            default that of :func:`default_generator`.
        rounds: how often the top k are trained; after each round all others are ranked again by what was measured, once
            four networks were. By default 3 for ``"active"``, else 1.
        min_distance: how many edges of their cells two trained networks differ by at least, so that the top k are not
            k twins (:func:`tart_nas.strategies.cell_distance`).
        objectives: ``"accuracy"``, and any of ``"latency"``, ``"params"`` and ``"flops"``: the networks that are
            trained are then spread over the Pareto front of the predictions.
        constraints: the most that a network may have: ``{"latency_ms": 5, "params": 1e6, "flops": 1e8}``. These and the
            objectives are of the network at its own size, for one image of 32x32 pixels; of images of your own, of the
            size that they are trained at; in a space of your own, of its input size.
        latency_predictor: what predicts the latency: the file of a predictor that was fitted to labels of
            ``tart-nas measure``, or a bundled one with a target ``inference_speed``. By default a Gaussian process that
            is fitted in the run, to 32 networks that are timed. What is picked is timed in any case.
        storage: the address of the study, such as ``postgresql+psycopg://USER:PASSWORD@HOST/DATABASE``,
            ``journal:///FILE`` or ``grpc://HOST:PORT``, the path of a file (``.sqlite3``, ``.log`` for a journal), or a
            storage of Optuna's that has such an address; by default an SQLite file in the run folder. Other processes
            and machines that see folder and storage may join (:func:`tart_nas.runs.work`). A password is not written
            down.
        heartbeat: seconds between two signs of life; the trial of a worker that misses six is trained once more.
        engine: what trains: ``"process"``, this process itself; ``"nni"``, the trials of an NNI experiment on this
            machine, which its web page shows while the search runs; or ``"ray"``, the machines of a cluster of Ray's,
            which need neither the run folder nor the storage. The result is the same.
        nni_port: of that web page; by default a free one.
        nni_host: where NNI's manager listens: ``"127.0.0.1"``, this machine alone, or ``"0.0.0.0"`` or ``"::"``, all
            interfaces. Whoever reaches the manager can start programs and read any file.
        nni_concurrency: how many trials NNI runs at a time.
        ray_address: ``HOST:PORT`` of the cluster's head, of which this machine must be one; by default a cluster is
            started on this machine, or the one is used that this process is connected to.
        cpus_per_trial: of Ray, above 0: it runs as many trials at a time as its machines have room for.
        gpus_per_trial: of Ray, at least 0; a part of one lets trials share a GPU. With 0 trials train on CPUs.
        workers: how many processes of this machine train at a time, this one among them. With two on two cores, each
            with one thread, small networks are trained in half the time; the result is the same.
        device: ``"cpu"``, ``"cuda"``, ...; by default a GPU when there is one.
        progress: whether to show progress on the terminal.
        init: the file or name of a graph hypernetwork (:meth:`tart_nas.hypernetworks.GHN.load`) that predicts the first
            weights of everything that is trained; by default PyTorch's initialisation.
        train: a function that trains in place of ``recipe``, for any task: it gets a network, built for the classes
            and the image size of ``dataset``, and a :class:`tart_nas.runs.Reporter`, and returns a fraction of 1, of
            which more is better. The test images are not read then.
        pruner: of Optuna's, for ``train``: :meth:`tart_nas.runs.Reporter.should_prune` asks it.
        command: what made the run, for its report; by default this call.

    Raises:
        TartError: on a wrong argument, missing images, a folder of another run; nothing that existed is lost.
        MachineError: if the machine fails in training; the same call goes on.
    """
    given_arguments = {name: value for name, value in locals().items() if name not in ("progress", "command")}
    check_types(given_arguments)
    storage = given_arguments["storage"] = storage_address(storage)
    goals = Goals({} if constraints is None else constraints, tuple(objectives))
    speed = check_latency_predictor(goals, latency_predictor)
    given_images = None if isinstance(dataset, str) else dataset
    dataset = dataset if given_images is None else GIVEN_IMAGES
    of_nni, of_ray = (nni_port, nni_host, nni_concurrency), (ray_address, cpus_per_trial, gpus_per_trial)
    check_engine(engine, of_nni, of_ray, workers, heartbeat)
    space = space or (default_space() if isinstance(candidates, int) else DartsSpace())
    own = space if isinstance(space, TrialSpace) else None
    if own is not None and (workers > 1 or engine != "process"):
        check_importable(own)
    rounds = rounds if rounds is not None else (3 if strategy == "active" else 1)
    name: BudgetName = budget if isinstance(budget, str) else "small"
    budget = budget if isinstance(budget, TrainingBudget) else default_budget(space, dataset, name)
    recipe = recipe or default_recipe(dataset, space, name)
    if predictor is None:
        small = train is None and is_small(space, dataset, budget, recipe)
        predictor = default_predictor(space, learns=rounds > 1, is_small=small)
    is_named = not isinstance(predictor, Predictor)
    predictor_name = predictor.kind if isinstance(predictor, Predictor) else str(predictor)
    place = resolve_device(device)
    predictor = predictor if isinstance(predictor, Predictor) else Predictor.open(predictor).to(place)
    given = None if isinstance(candidates, int) else list(candidates)
    n = candidates if isinstance(candidates, int) else len(candidates)
    if strategy is None:
        strategy = default_strategy(goals, space, predictor, is_given=given is not None)
    writer = check_generator(strategy, generator, space, given is not None)
    described = {"name": "given", "sha256": digest(given)} if given else {"name": space.name, **space.settings}
    settings = SearchSettings(
        space=described | ({} if writer is None else {"generator": writer.identity}),
        predictor=predictor_identity(predictor),
        candidates=n,
        top_k=top_k,
        random=random,
        dataset=dataset,
        budget=budget,
        recipe=recipe,
        seed=seed,
        strategy=strategy,
        rounds=rounds,
        min_distance=min_distance,
        goals=goals,
        init=None if init is None else PredictedStart(ghn=str(init)).identity(),
        train=None if train is None else getattr(train, "__qualname__", type(train).__name__),
        latency_predictor=None if speed is None else predictor_identity(speed),
    )
    one = given or space.sample(1, seed)  # of a space, whose architectures are alike
    check_rounds(predictor, strategy, settings.rounds, top_k, random)
    if predictor.is_fitted:
        check_scope(predictor, one)
    check_budget(settings.budget, one)
    if storage is not None:
        check_storage(storage)
    images = load_run_images(settings, data_dir, given_images)
    # Of own training, what a network gives is that function's matter.
    if own is not None and train is None and isinstance(one[0], TrialArchitecture):
        check_own_space(own, settings, one[0], images)
    console = Console(quiet=not progress, highlight=False)
    folder = RunFolder(Path(out))
    joining = {"out": str(out), "storage": storage, "data_dir": data_dir and str(data_dir), "device": device}
    joining |= {} if own is None else {"space": own.build}
    nni = _nni_engine(folder, joining, *of_nni) if engine == "nni" else None
    ray = _ray_engine(*of_ray, console) if engine == "ray" else None
    defaults = {name: parameter.default for name, parameter in inspect.signature(search).parameters.items()}
    provenance = Provenance.here(command or call_text("tart_nas.search", given_arguments, defaults), predictor_name)
    claimed = folder.claimed(settings, storage, provenance)
    with ray or nullcontext(), claimed, nni or nullcontext(), ExitStack() as block:
        study, retrying = study_of_run(folder, storage)
        name_metric(study)
        if pruner is not None:
            study.pruner = pruner
        trainer = Trainer(study, folder, settings, images, place, console, retrying, train, own)
        trainer.begin()
        own_size = own_image_size(settings.dataset, images.image_size)
        costs = Costs(
            goals.costs,
            len(images.classes),
            own_size,
            place,
            seed,
            speed,
            own,
            reference=retrying(partial(read_reference, study)),
            keep_reference=lambda milliseconds: retrying(partial(keep_reference, study, milliseconds)),
        )
        study.set_user_attr(HEARTBEAT, heartbeat)  # at which workers begin, with the images that are noted by now
        scored = score_candidates(folder, settings, study, given or writer or space, predictor, console, costs)
        if FACTS not in study.user_attrs:  # else of the process that began the run
            facts = RunFacts.of_search(PredictorFacts.of(predictor, predictor_name, is_named), images, data_dir)
            study.set_user_attr(FACTS, facts.to_dict())
        queue = run_queue(study, heartbeat, retrying, is_main=True)
        retrying(partial(publish_networks, study, folder))
        source = None if given and own is None else space
        unfinished = UnfinishedReport(settings, folder, scored, study, retrying)
        has_workers = False
        for number in range(1, settings.rounds + 1):
            picks = picks_of_round(number, settings, scored, predictor, study, images, costs)
            if explores(number, settings, study, picks):
                console.print(f"round {number} explores more: the predictions of the round before ranked by chance")
            retrying(partial(plan, study, picks, source, retry=True))
            retrying(partial(attach_pictures, study, folder))
            if not queue.is_idle():
                retrying(partial(study.set_user_attr, ALL_TRAINED, False))  # first: workers end where it is True
                if not has_workers:  # also where a finished run tries networks again; else there is nothing to do
                    block.enter_context(local_workers(workers, joining))
                    has_workers = True
            while True:
                if nni is not None:
                    nni.train_round(queue, study, retrying, console, unfinished)
                elif ray is not None:
                    ray.train_round(queue, trainer, unfinished)
                else:
                    _train_round(queue, trainer, heartbeat, unfinished)
                # Once more, for somebody else's `optimize` takes what waits.
                retrying(partial(plan, study, picks, source))
                if queue.is_idle():
                    break
            console.print(retrying(partial(agreement_of_round, number, study)).sentence())
        retrying(lambda: study.set_user_attr(ALL_TRAINED, True))
        retrying(partial(publish_networks, study, folder))
        trainer.read_test()
        if _FINISHED not in study.user_attrs:
            retrying(lambda: study.set_user_attr(_FINISHED, now()))
        result = SearchResult.of_study(settings, folder, scored, study)
        write_report(result, folder)
    return result


def _train_round(queue: TrialQueue, trainer: Trainer, heartbeat: float, unfinished: UnfinishedReport) -> None:
    """Trains until nothing waits or runs: first what a killed process of the search left, then what waits."""
    while True:
        queue.fail_stale_trials()
        with queue.claimed() as claim:
            if claim is not None:
                trainer.train(claim)
        if claim is None:
            if queue.is_idle():
                return
            time.sleep(pause(heartbeat))  # others train
        unfinished.renew()


def _nni_engine(
    folder: RunFolder, joining: dict[str, Any], port: int | None, host: str, concurrency: int
) -> "NniEngine":
    from tart_nas.runs.nni_engine import NniEngine  # NNI is an extra

    return NniEngine(folder, joining, port, host, concurrency)


def _ray_engine(address: str | None, cpus: float, gpus: float, console: Console) -> "RayEngine":
    from tart_nas.cluster import RayCluster
    from tart_nas.runs.ray_engine import RayEngine

    cluster = RayCluster(address, cpus=cpus, gpus=gpus, quiet=console.quiet)
    return RayEngine(cluster, console)
