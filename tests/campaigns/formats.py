"""The files that TART-NAS reads, as small as they can be: how each is made, and what reading it gives."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tart_nas.published import DARTS

__all__ = ["FORMATS", "Format"]

_IDENTITY = {"seed": 0, "images": "0123"}


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Args:
        make: writes one into a folder and gives the files that are to be corrupted.
        read: what reading it gives, something that can be compared.
        has_checksum: whether every change of what is read can be told.
    """

    make: Callable[[Path], list[Path]]
    read: Callable[[Path], Any]
    has_checksum: bool = True


def _architectures(n: int) -> Any:
    from tart_nas.search_spaces import DartsSpace

    return DartsSpace().sample(n, 0)


def _make_predictor(folder: Path) -> list[Path]:
    from tart_nas.predictors import Predictor

    Predictor("ridge").fit(_architectures(20), np.linspace(92, 95, 20)).save(folder / "p.safetensors")
    return [folder / "p.safetensors"]


def _read_predictor(folder: Path) -> Any:
    from tart_nas.predictors import Predictor

    return Predictor.load(folder / "p.safetensors").predict(_architectures(5)).tolist()


def _make_network(folder: Path) -> list[Path]:
    from tart_nas.networks import NetworkDescription, save

    description = NetworkDescription(DARTS.resized(2, 4), None, 10, 32, about={"mean": [0.5, 0.25, 0.125]})
    save(description.build(), description, folder)
    return [folder / "network.json", folder / "weights.safetensors"]


def _read_network(folder: Path) -> Any:
    from tart_nas.networks import describe, load

    weights = {name: tensor.numpy().tobytes() for name, tensor in load(folder).state_dict().items()}
    return describe(folder).to_dict(), weights


def _make_checkpoint(folder: Path) -> list[Path]:
    import torch

    from tart_nas.training.checkpoint import Progress, write_checkpoint

    write_checkpoint(folder / "c.safetensors", {"network.a": torch.arange(50.0)}, Progress((), 1.5), _IDENTITY)
    return [folder / "c.safetensors"]


def _read_checkpoint(folder: Path) -> Any:
    from tart_nas.training.checkpoint import read_checkpoint

    tensors, progress = read_checkpoint(folder / "c.safetensors", _IDENTITY)
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}, progress.training_seconds


def _make_hypernetwork(folder: Path) -> list[Path]:
    from tart_nas.hypernetworks import GHN, GHNConfig

    GHN(GHNConfig(hid=8, max_shape=(8, 8, 3, 3), num_classes=10)).save(folder / "g.safetensors")
    return [folder / "g.safetensors"]


def _read_hypernetwork(folder: Path) -> Any:
    from tart_nas.hypernetworks.checkpoint import read_checkpoint

    checkpoint = read_checkpoint(folder / "g.safetensors")
    weights = {name: tensor.numpy().tobytes() for name, tensor in checkpoint.tensors.items()}
    return checkpoint.config.as_dict(), weights


def _make_candidates(folder: Path) -> list[Path]:
    from tart_nas.runs.candidates import ScoredCandidates

    ScoredCandidates.ranked(_architectures(20), range(20), np.linspace(95, 92, 20)).write(folder / "c.parquet")
    return [folder / "c.parquet"]


def _read_candidates(folder: Path) -> Any:
    from tart_nas.runs.candidates import ScoredCandidates

    scored = ScoredCandidates.read(folder / "c.parquet")
    return list(scored.architectures), scored.scores.tolist()


def _make_labels(folder: Path) -> list[Path]:
    from tart_nas.measurements.label_file import write_label_file

    labels = {i: {"val_acc": 50.0 + i, "architecture": a.to_dict()} for i, a in enumerate(_architectures(3))}
    write_label_file(folder / "labels.json", {"settings": {"seed": 0}}, "darts", labels, {7: "diverged"})
    return [folder / "labels.json"]


def _read_labels(folder: Path) -> Any:
    from tart_nas.measurements.label_file import read_label_file

    return read_label_file(folder / "labels.json")


def _make_settings(folder: Path) -> list[Path]:
    from tart_nas.runs.folder import RunFolder
    from tart_nas.runs.provenance import Provenance
    from tart_nas.runs.settings import SearchSettings

    settings = SearchSettings({"name": "darts"}, "ridge 01", 40, 2, 1, "digits")
    with RunFolder(folder).claimed(settings, None, Provenance("tart-nas search", "ridge")):
        pass
    return [folder / "config.json"]


def _read_settings(folder: Path) -> Any:
    from tart_nas.runs.folder import RunFolder

    run = RunFolder(folder)
    return run.read_settings().to_dict(), run.read_place(), run.read_provenance().to_dict()


def _make_study(folder: Path) -> list[Path]:
    return _study(folder, None, "study.sqlite3")


def _make_journal(folder: Path) -> list[Path]:
    return _study(folder, f"journal://{folder / 'journal'}", "journal")


def _study(folder: Path, address: str | None, file: str) -> list[Path]:
    import optuna

    from tart_nas.runs.storage import open_study
    from tart_nas.runs.study import Pick, enqueue

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = open_study(address, "s", folder / "study.sqlite3")
    enqueue(study, Pick("top-1", 1, 95.0, DARTS, DARTS.resized(2, 4), 1000).to_attributes(), ({}, {}))
    study.optimize(lambda trial: 0.5, n_trials=1)
    return [folder / file]


def _read_study(address: str | None, folder: Path) -> Any:
    from tart_nas.runs.storage import read_study
    from tart_nas.runs.study import trials

    study = read_study(address, "s", folder / "study.sqlite3")
    return [(pick.to_attributes(), trial.value, trial.state.name) for pick, trial in trials(study)]


def _make_split(folder: Path) -> list[Path]:
    from tart_nas.deepnets1m import generate

    generate("val", 3, folder, seed=2)
    return sorted(folder.glob("deepnets1m_*"))


def _read_split(folder: Path) -> Any:
    from tart_nas.deepnets1m import DeepNets1M

    graphs = [item.graph for item in DeepNets1M(folder, "val")]
    return [(g.names, g.edges.tobytes(), g.distances.tobytes(), g.primitives.tobytes()) for g in graphs]


def _make_batch(folder: Path) -> list[Path]:
    from tests.images.conftest import noise, python2_batch

    (folder / "data_batch_1").write_bytes(python2_batch(noise(1, seed=0)))
    return [folder / "data_batch_1"]


def _read_batch(folder: Path) -> Any:
    from tart_nas.images.batches import read_batch

    images, labels = read_batch(folder / "data_batch_1")
    return images.tobytes(), labels


def _make_images(folder: Path) -> list[Path]:
    from tests.images.conftest import noise, write_parquet

    for part, seed in (("train", 0), ("test", 1)):
        write_parquet(folder / f"{part}-00000-of-00001.parquet", noise(2, seed))
    return [folder / "train-00000-of-00001.parquet"]


def _read_images(folder: Path) -> Any:
    from tart_nas.images import load_images

    images = load_images("cifar10", folder, validation_fraction=0.5)
    return images.fingerprint


def _make_architectures(folder: Path) -> list[Path]:
    (folder / "a.json").write_text(json.dumps([a.to_dict() for a in _architectures(3)]))
    return [folder / "a.json"]


def _read_architectures(folder: Path) -> Any:
    from tart_nas.runs import open_architectures
    from tart_nas.search_spaces import DartsSpace

    return [a.to_dict() for a in open_architectures(folder / "a.json", DartsSpace()).all().values()]


FORMATS = {
    "predictor": Format(_make_predictor, _read_predictor),
    "trained network": Format(_make_network, _read_network),
    "checkpoint": Format(_make_checkpoint, _read_checkpoint),
    "hypernetwork": Format(_make_hypernetwork, _read_hypernetwork),
    "candidates": Format(_make_candidates, _read_candidates),
    "split of DeepNets-1M": Format(_make_split, _read_split),
    "labels": Format(_make_labels, _read_labels, has_checksum=False),
    "settings of a run": Format(_make_settings, _read_settings, has_checksum=False),
    "study, SQLite": Format(_make_study, lambda folder: _read_study(None, folder), has_checksum=False),
    "study, journal": Format(
        _make_journal, lambda folder: _read_study(f"journal://{folder / 'journal'}", folder), has_checksum=False
    ),
    "CIFAR-10, batches": Format(_make_batch, _read_batch, has_checksum=False),
    "CIFAR-10, parquet": Format(_make_images, _read_images, has_checksum=False),
    "architectures": Format(_make_architectures, _read_architectures, has_checksum=False),
}
"""By name. What people write and other programs make has no checksum, and a changed digit there is another file."""
