"""Files with one flipped bit are refused, or read as they were written; files without a checksum are read."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tart_nas.checksums import DamagedFileError, check_file, check_values, stamped
from tart_nas.errors import CheckpointError, RunFolderError, TartError
from tart_nas.networks import NetworkDescription, describe, load, save
from tart_nas.predictors import Predictor
from tart_nas.published import DARTS
from tart_nas.runs.candidates import ScoredCandidates
from tart_nas.training.checkpoint import Progress, read_checkpoint, write_checkpoint
from tart_nas.training.initial_weights import read_initial_weights

FLIPS = 60  # of each file
IDENTITY = {"seed": 0, "images": "0123"}


@pytest.fixture(scope="module")
def labels():
    from tart_nas.search_spaces import DartsSpace

    architectures = DartsSpace().sample(20, 0)
    return architectures, np.linspace(92, 95, 20)


def make_predictor(folder, labels):
    Predictor("ridge").fit(*labels).save(folder / "file")
    return folder / "file", lambda: Predictor.load(folder / "file").predict(labels[0]).tolist()


def make_weights(folder, labels):
    description = NetworkDescription(DARTS.resized(2, 4), None, 10, 32, about={"mean": [0.5, 0.25, 0.125]})
    torch.manual_seed(0)
    save(description.build(), description, folder)
    return folder / "weights.safetensors", lambda: [t.tolist() for t in load(folder).state_dict().values()]


def make_description(folder, labels):
    make_weights(folder, labels)
    return folder / "network.json", lambda: describe(folder)


def make_initial_weights(folder, labels):
    path, _ = make_weights(folder, labels)
    return path, lambda: {name: tensor.tolist() for name, tensor in read_initial_weights(folder).items()}


def make_checkpoint(folder, labels):
    tensors = {"network.a": torch.arange(30.0), "momentum.a": torch.zeros(30)}
    write_checkpoint(folder / "file", tensors, Progress((), 12.5), IDENTITY)

    def read():
        tensors, progress = read_checkpoint(folder / "file", IDENTITY)
        return {name: tensor.tolist() for name, tensor in tensors.items()}, progress

    return folder / "file", read


def make_candidates(folder, labels):
    ScoredCandidates.ranked(labels[0], range(20), labels[1]).write(folder / "file")

    def read():
        scored = ScoredCandidates.read(folder / "file")
        return list(scored.architectures), scored.scores.tolist()

    return folder / "file", read


MAKERS = [make_predictor, make_weights, make_description, make_initial_weights, make_checkpoint, make_candidates]


@pytest.mark.parametrize("make", MAKERS)
def test_a_flipped_bit_is_told(make, labels, tmp_path):
    path, read = make(tmp_path, labels)
    content, right = path.read_bytes(), read()
    rng = np.random.default_rng(0)
    refused = 0
    for bit in rng.integers(8 * len(content), size=FLIPS).tolist():
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(damaged)
        try:
            found = read()
        except TartError:
            refused += 1
        else:
            assert found == right
    assert refused > FLIPS / 4  # what is not read, such as statistics in a footer, is free to be wrong
    path.write_bytes(content)
    assert read() == right


def test_the_message(labels, tmp_path):
    path, read = make_predictor(tmp_path, labels)
    path.write_bytes(path.read_bytes()[:-1] + b"\x55")
    with pytest.raises(CheckpointError, match="file is not a complete .*it is damaged, since its checksum is wrong"):
        read()
    path, read = make_description(tmp_path, labels)
    path.write_text(path.read_text().replace("0.125", "0.25"))
    with pytest.raises(CheckpointError, match='if you changed it yourself, remove its last member, "sha256"'):
        read()
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "sha256"}))
    assert read().about["mean"] == [0.5, 0.25, 0.25]
    path, read = make_candidates(tmp_path, labels)
    content = path.read_bytes()
    path.write_bytes(content[:60] + bytes([content[60] ^ 1]) + content[61:])
    with pytest.raises(RunFolderError, match="does not hold scored candidates"):
        read()


def test_files_of_earlier_versions_have_none(labels, tmp_path):
    path, read = make_weights(tmp_path, labels)
    right = read()
    save_file(load_file(path), path)
    assert read() == right
    check_values({"a": 1})


def test_a_checksum_inside_a_text_is_not_taken_for_the_file_s(tmp_path):
    path = tmp_path / "file"
    text = json.dumps({"sha256": "0" * 64}, separators=(",", ":"))
    save_file({"a": torch.zeros(2)}, path, {"metadata": text})
    check_file(path)
    with safe_open(path, "pt") as file:
        assert file.metadata() == {"metadata": text}


def test_values():
    values = stamped({"a": [1, 2.5], "b": None})
    check_values(json.loads(json.dumps(values)))
    with pytest.raises(DamagedFileError):
        check_values({**values, "a": [1, 2.25]})
