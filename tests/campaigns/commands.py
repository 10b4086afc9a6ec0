"""Commands of the smallest size that write files, and what each must end with, however often it was disturbed.

They are as small as they can be, since campaigns give them hundreds of times: a second or two of a processor each.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.campaigns.processes import Launcher

__all__ = ["COMMANDS", "Written", "leftovers", "make_inputs"]

_SEARCH = (
    "search --space darts --dataset digits --predictor params --candidates 40 --random 1 --cells 1 --channels 4 "
    "--train-images 40 --image-size 8 --epochs 2 --batch-size 20 --device cpu --quiet"
).split()
_TINY = "--dataset digits --train-images 40 --image-size 8 --epochs 3 --batch-size 20 --device cpu --quiet".split()


@dataclass(frozen=True)
class Written:
    """A command that writes into a folder.

    Args:
        arguments: without ``--out``; ``{inputs}`` is the folder of what :func:`make_inputs` makes.
        outcome: what must be the same at the end, given the folder.
        finished: the files that are made once and never again, by a pattern.
        file: what it writes, where that is one file of the folder.
    """

    arguments: Sequence[str]
    outcome: Callable[[Path], Any]
    finished: str = "nothing"
    file: str = ""

    def command(self, folder: Path, inputs: Path) -> list[str]:
        """The whole command."""
        return [*(part.format(inputs=inputs) for part in self.arguments), "--out", str(folder / self.file)]


def make_inputs(folder: Path, names: Iterable[str], launcher: Launcher) -> None:
    """Makes what commands of these names read: labelled architectures, a trained network, a search that has ended."""
    from tart_nas.networks import NetworkDescription, save
    from tart_nas.published import DARTS
    from tests.labels import darts_labels, nasbench301_entries

    folder.mkdir()
    (folder / "labels.json").write_text(json.dumps(nasbench301_entries(darts_labels())[:60]))
    description = NetworkDescription(DARTS.resized(2, 4), None, 10, 32)
    save(description.build(), description, folder / "network")
    if any("{inputs}/run" in part for name in names for part in COMMANDS[name].arguments):
        status, text = launcher.run(COMMANDS["search"].command(folder / "run", folder))
        assert status == 0, text


def leftovers(folder: Path) -> list[str]:
    """Files that nobody needs after a command ended well."""
    kinds = (".tmp", ".parts", ".claims", ".part")
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if any(kind in path.name for kind in kinds)]


def _digests(folder: Path, pattern: str) -> dict[str, str]:
    found = sorted(path for path in folder.glob(pattern) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def _of_search(folder: Path) -> Any:
    report = json.loads((folder / "report.json").read_text())
    kept = ("name", "rank", "validation_accuracy", "test_accuracy", "failure", "state")
    return [{name: pick[name] for name in kept} for pick in report["picks"]], _digests(folder, "weights/*/*")


def _of_training(folder: Path) -> Any:
    return json.loads((folder / "result.json").read_text())["accuracy"], _digests(folder, "weights.safetensors")


def _of_measurement(folder: Path) -> Any:
    content = json.loads((folder / "labels.json").read_text())
    (group,) = (name for name in content if name not in ("about", "failed"))
    return {index: (label["val_acc"], label["test_acc"]) for index, label in content[group].items()}, content["failed"]


def _of_files(folder: Path) -> Any:
    return _digests(folder, "*")


def _of_page(folder: Path) -> str:
    return re.sub(r"Written by .* UTC", "", (folder / "report.html").read_text())  # the time


def _of_tensors(folder: Path) -> Any:
    from safetensors.numpy import load_file

    (path,) = {*folder.glob("ghn.safetensors"), *folder.glob("predictor.safetensors")}
    tensors = load_file(path)  # whose metadata have no order, or name the command
    return {name: hashlib.sha256(tensor.tobytes()).hexdigest() for name, tensor in tensors.items()}


COMMANDS = {
    "search": Written([*_SEARCH, "--top-k", "2"], _of_search, "weights/*/weights.safetensors"),
    "search-active-workers": Written(
        [*_SEARCH, *"--top-k 2 --strategy active --rounds 2 --workers 2 --heartbeat 0.5".split()],
        _of_search,
        "weights/*/weights.safetensors",
    ),
    "retrain": Written(["retrain", "DARTS", "--cells", "2", "--channels", "4", *_TINY], _of_training),
    "measure": Written(
        "measure darts --networks 2 --cells 2 --channels 4 --validation-images 50 --test-images 50".split() + _TINY,
        _of_measurement,
    ),
    "data-generate": Written("data generate val --n 120 --workers 2 --quiet".split(), _of_files),
    "ghn-train": Written(
        (
            "ghn train --preset ghn2-small --dataset digits --train-images 64 --networks 4 --max-network-nodes 200 "
            "--epochs 2 --steps-per-epoch 3 --batch-size 16 --meta-batch 1 --checkpoint-steps 1 --hid 8 --device cpu "
            "--quiet"
        ).split(),
        _of_tensors,
    ),
    "fit": Written("fit {inputs}/labels.json --kind ridge --quiet".split(), _of_tensors, file="predictor.safetensors"),
    "export": Written("export {inputs}/network".split(), lambda folder: sorted(_of_files(folder)), file="network.onnx"),
    "generate": Written("generate --n 3".split(), _of_files, file="networks.txt"),
    "score": Written("score DARTS PDARTS --predictor params".split(), _of_files, file="scores.parquet"),
    "draw": Written("draw DARTS --cells".split(), lambda folder: sorted(_of_files(folder)), file="cells.png"),
    "report": Written("report {inputs}/run".split(), _of_page, file="report.html"),
    "pretrain": Written(
        [*"pretrain --n 8 --kind pure-transformer --device cpu --quiet --set epochs=1".split()],
        _of_tensors,
        file="predictor.safetensors",
    ),
}
"""By name."""
