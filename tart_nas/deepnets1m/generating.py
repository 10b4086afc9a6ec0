"""Making a split of DeepNets-1M: as large as one likes, by processes or a cluster, and on after an interruption."""

import json
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import islice
from pathlib import Path

from filelock import FileLock, Timeout

from tart_nas.architecture import Architecture
from tart_nas.checks import whole
from tart_nas.choices import EVAL_SPLITS
from tart_nas.cluster import RayCluster, Task, chosen_cluster
from tart_nas.deepnets1m.layout import checked_split, split_files
from tart_nas.deepnets1m.meta_file import split_names
from tart_nas.deepnets1m.part_file import Record, read_part, write_part
from tart_nas.deepnets1m.writing import group_names, stored_checksums, write_split
from tart_nas.errors import DeepNetsError, SettingError, reason
from tart_nas.files import replacing
from tart_nas.layout import parameter_count
from tart_nas.search_spaces.deepnets1m import PART, DeepNets1MSpace
from tart_nas.worker_process import begin_worker

__all__ = ["Progress", "generate", "widened"]

Progress = Callable[[str, int, int], None]
"""Is told what is being done, how many networks are done, and of how many."""

_LEAST_PARAMS = 2_500_000
_CHANNEL_STEP = 16
_IMAGE_SIZES = {"cifar10": 32, "imagenet": 224}
_AHEAD = 4  # parts that a worker, or a place of a cluster, has before it
_PATIENCE = 0.2  # seconds until an interrupt is noticed
_RELEASE = 2.0  # seconds that the workers of a killed process may hold its lock yet
_VERSION = 1  # of what a seed stands for


def generate(
    split: str,
    n: int,
    out: str | os.PathLike[str],
    seed: int = 0,
    workers: int = 1,
    compress: bool = False,
    progress: Progress | None = None,
    *,
    engine: str = "process",
    ray_address: str | None = None,
) -> Path:
    """Draws the networks of a split and writes them in the released layout.

    Evaluation splits go into ``deepnets1m_eval.hdf5`` and ``deepnets1m_eval_meta.json`` beside each other, ``train``
    and ``search`` into files of their own. The same call goes on where an interrupted one stopped, with the same
    result: until the end, what is done lies in the folder ``.deepnets1m_<split>.parts`` and takes as much space as the
    compressed files.

    Networks are those of :meth:`DeepNets1MSpace.part`. As in the released evaluation files, channels are raised in
    steps of 16 until a network has 2.5 million parameters; so are those of ``wide``, whose networks are those of
    ``test`` for the same seed, before readers multiply them by 4. ``train`` and ``search`` have 32 channels.

    Args:
        split: one of :data:`tart_nas.deepnets1m.SPLITS` but ``predefined``.
        n: the number of networks, at least 1. A larger one gives the same networks and more.
        out: the folder, made if it is missing.
        seed: at least 0; the same one gives the same files, whatever the number of workers and the engine.
        workers: the number of processes, at least 1; 1 with the engine ``"ray"``.
        compress: whether to store the graphs compressed, in about a tenth of the space.
        progress: called with ``"generating"`` or ``"writing"``, the number of networks done and n.
        engine: what draws the networks: ``"process"``, processes of this machine, or ``"ray"``, the machines of a
            cluster of Ray's. This process alone writes into the folder.
        ray_address: ``HOST:PORT`` of the cluster's head, of which this machine must be one; by default a cluster is
            started on this machine.

    Returns:
        The HDF5 file.

    Raises:
        SettingError: if an argument is out of range.
        DeepNetsError: if the split is in the folder's files already, another process makes it, or parts of another
            seed are in the way.
        ClusterError: if Ray is missing, or the cluster cannot be reached or used.
        MachineError: if a part was lost by the cluster too often: the same call goes on.
        OSError: if a file cannot be written, as on a full disk. No file that was there is harmed.
    """
    if checked_split(split) == "predefined":
        raise SettingError("The split 'predefined' is built in code: there is nothing to generate.")
    for name, value, least in (("n", n, 1), ("seed", seed, 0), ("workers", workers, 1)):
        whole(name, value, least)
    cluster = chosen_cluster(engine, ray_address)
    if cluster is not None and workers > 1:
        raise SettingError(f"`workers` must be 1 for `engine` 'ray', but got {workers}.")
    with cluster or nullcontext() as entered:
        return _generate(split, n, Path(out), seed, workers, compress, progress or (lambda *_: None), entered)


def widened(split: str, architecture: Architecture) -> Architecture:
    """The architecture with the channels that the split's files give it."""
    if split not in EVAL_SPLITS:
        return architecture
    while parameter_count(architecture) < _LEAST_PARAMS:
        architecture = architecture.resized(C=architecture.C + _CHANNEL_STEP)
    return architecture


def records_of_part(split: str, seed: int, index: int, size: int) -> list[Record]:
    """The networks of one part; a task of a cluster."""
    records = []
    for architecture in DeepNets1MSpace(split).part(index, seed)[:size]:
        params = {name: parameter_count(architecture, image_size=pixels) for name, pixels in _IMAGE_SIZES.items()}
        records.append(Record.of(widened(split, architecture), params))
    return records


def _generate(
    split: str,
    n: int,
    folder: Path,
    seed: int,
    workers: int,
    compress: bool,
    report: Progress,
    cluster: RayCluster | None,
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    graphs, meta = split_files(folder, split)
    parts_folder = folder / f".deepnets1m_{split}.parts"
    lock = FileLock(folder / f".{graphs.stem}.lock")
    try:
        with lock.acquire(timeout=_RELEASE):
            _check_target(graphs, meta, split, parts_folder)
            _open_parts(parts_folder, {"split": split, "seed": seed, "version": _VERSION})
            parts = _Parts(split, seed, n, parts_folder)
            parts.make(workers, cluster, partial(report, "generating"))
            parts.check_written(graphs)
            write_split(graphs, meta, split, parts.records(partial(report, "writing")), compress)
            shutil.rmtree(parts_folder)
    except Timeout:
        raise DeepNetsError(f"Another process is writing {graphs}: wait for it.") from None
    return graphs


def _check_target(graphs: Path, meta: Path, split: str, parts_folder: Path) -> None:
    """Checks that the split is in neither file, but for the rest of an interrupted run.

    Such a run has left its parts too, and checksums beside its graphs, which released files do not have. Whether they
    are those of the parts is checked when these are complete.
    """
    names = split_names(meta) if meta.exists() else []
    if split not in names and graphs.exists() and not (parts_folder.exists() and stored_checksums(graphs, split)):
        names = group_names(graphs)
    if split in names:
        raise _holds_split(graphs, split)


def _holds_split(graphs: Path, split: str) -> DeepNetsError:
    return DeepNetsError(f"{graphs} holds the split {split!r} already: delete it, or take another folder.")


def _open_parts(folder: Path, settings: dict[str, object]) -> None:
    file = folder / "settings.json"
    if file.exists():
        try:
            found = json.loads(file.read_text())
        except (ValueError, RecursionError) as error:
            raise DeepNetsError(f"{file} is damaged ({reason(error)}): delete {folder}.") from None
        if found != settings:
            raise DeepNetsError(
                f"{folder} holds the parts of another run, {found}, not of {settings}: delete it, or finish that run."
            )
    else:
        with replacing(file) as temporary:
            temporary.write_text(json.dumps(settings))


class _Parts:
    """The parts of a split: a file of up to 100 networks each."""

    def __init__(self, split: str, seed: int, n: int, folder: Path) -> None:
        self._split, self._seed, self._n, self._folder = split, seed, n, folder

    def make(self, workers: int, cluster: RayCluster | None, report: Callable[[int, int], None]) -> None:
        """Makes the parts that are not there yet."""
        missing = [index for index in range(self._count) if not self._path(index).exists()]
        done = self._n - sum(map(self._size, missing))
        report(done, self._n)
        ends = self._made(missing, min(workers, len(missing))) if cluster is None else self._made_on(cluster, missing)
        for index in ends:
            done += self._size(index)
            report(done, self._n)

    def check_written(self, graphs: Path) -> None:
        """Checks that graphs of the split that a file has are these networks, of a run that was interrupted.

        It may have been for more of them, or fewer.

        Raises:
            DeepNetsError: if they are others, which are not ours to replace.
        """
        if graphs.exists() and self._split in group_names(graphs):
            written = stored_checksums(graphs, self._split)
            own = (record.checksum for record in self.records(lambda *_: None))
            if not written or any(ours != theirs for ours, theirs in zip(own, written, strict=False)):
                raise _holds_split(graphs, self._split)

    def records(self, report: Callable[[int, int], None]) -> Iterator[Record]:
        """The networks of all parts, in order."""
        done = 0
        for index in range(self._count):
            yield from read_part(self._path(index))
            done += self._size(index)
            report(done, self._n)

    def _made(self, indices: list[int], workers: int) -> Iterator[int]:
        """Makes parts and yields the index of each when it is written."""
        jobs = {index: (self._split, self._seed, index, self._size(index), self._path(index)) for index in indices}
        if workers <= 1:
            for index, job in jobs.items():
                _make_part(*job)
                yield index
            return
        # An interrupt from the keyboard reaches all processes: workers leave it to this one and finish their parts.
        pool = ProcessPoolExecutor(workers, initializer=begin_worker)
        with _noted_interrupts() as interrupts, pool:
            waiting: dict[Future[None], int] = {}
            jobs_left = iter(jobs.items())
            try:
                while True:
                    for index, job in islice(jobs_left, _AHEAD * workers - len(waiting)):
                        waiting[pool.submit(_make_part, *job)] = index
                    if not waiting:
                        return
                    done = wait(waiting, timeout=_PATIENCE, return_when=FIRST_COMPLETED).done
                    for future in done:
                        future.result()
                        yield waiting.pop(future)
                    if interrupts:
                        raise KeyboardInterrupt
            except BrokenProcessPool:
                raise DeepNetsError(
                    "A worker process was killed, maybe for want of memory: the same command goes on."
                ) from None
            finally:
                pool.shutdown(cancel_futures=True)

    def _made_on(self, cluster: RayCluster, indices: list[int]) -> Iterator[int]:
        """As :meth:`_made`; the machines need not see the folder."""
        waiting = iter(indices)
        running: dict[Task, int] = {}
        while True:
            for index in islice(waiting, max(0, _AHEAD * cluster.slots() - len(running))):
                arguments = (self._split, self._seed, index, self._size(index))
                running[cluster.submit(records_of_part, [], *arguments, name=f"part {index}")] = index
            if not running:
                return
            for task in cluster.ended(list(running), None):
                index = running.pop(task)
                write_part(self._path(index), cluster.result(task))
                yield index

    @property
    def _count(self) -> int:
        return -(-self._n // PART)

    def _size(self, index: int) -> int:
        return min(PART, self._n - index * PART)

    def _path(self, index: int) -> Path:
        return self._folder / f"{index:06d}-{self._size(index)}.npz"


@contextmanager
def _noted_interrupts() -> Iterator[list[int]]:
    """Interrupts from the keyboard are noted in a list instead of raised: anywhere in a pool they can lock it up."""
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # which alone is interrupted
        yield noted
        return
    before = signal.signal(signal.SIGINT, lambda number, _: noted.append(number))
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)


def _make_part(split: str, seed: int, index: int, size: int, path: Path) -> None:
    write_part(path, records_of_part(split, seed, index, size))
