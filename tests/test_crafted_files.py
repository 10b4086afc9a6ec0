"""Files that somebody made to do harm: nothing runs, downloads, hangs, crashes or takes the memory."""

import json
import pickle
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import save

from tart_nas.architecture import Architecture
from tart_nas.deepnets1m import DeepNets1M, generate
from tart_nas.errors import ArchitectureError, CheckpointError, ImageDataError, RunFolderError, SettingError, TartError
from tart_nas.graphs.graph_file import load_graphs
from tart_nas.hypernetworks import GHN
from tart_nas.images import load_images
from tart_nas.images.batches import read_batch
from tart_nas.measurements.label_file import read_label_file
from tart_nas.networks import NetworkDescription, describe, load
from tart_nas.networks import save as save_network
from tart_nas.predictors import Predictor
from tart_nas.predictors.labels import read_labelled
from tart_nas.published import DARTS
from tart_nas.runs import SearchResult, open_architectures
from tart_nas.runs.candidates import ScoredCandidates
from tart_nas.runs.storage import masked, open_study
from tart_nas.search_spaces import DartsSpace

SMALL = DARTS.resized(2, 4)


@pytest.fixture
def network(tmp_path):
    """The folder of a trained network, whose description a test may change."""
    description = NetworkDescription(SMALL, None, 10, 32)
    save_network(description.build(), description, tmp_path)

    def change(**values):
        path = tmp_path / "network.json"
        content = {**json.loads(path.read_text()), **values}
        del content["sha256"]
        path.write_text(json.dumps(content))
        return tmp_path

    return change


def test_a_batch_of_tuples_in_tuples(tmp_path):
    """Python hashes them by recursion in C: as a key of a dictionary they ended the process."""
    path = tmp_path / "data_batch_1"
    path.write_bytes(b"\x80\x02}(" + b"N" + b"\x85" * 200_000 + b"Nu.")
    with pytest.raises(ImageDataError, match="does not need a key that is neither text nor a whole number"):
        read_batch(path)


def _in_an_archive(pickle, path):
    with ZipFile(path, "w") as archive:
        archive.writestr("evil/data.pkl", pickle)


def _before_archives(pickle, path):
    torch.save({}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes().replace(b"\x80\x02}q\x00.", pickle))


DEEP = 100_000
SETTINGS = b"}(U\x0astate_dict}U\x06config}(U\x09max_shape(K\x08K\x08K\x03K\x03tU\x0bnum_classesK\x0a"
TIMES = b"".join(b"h%ch%c\x86q%c0" % (n, n, n + 1) for n in range(1, 200))  # each twice the one before
CRAFTED = {
    "a key of tuples in tuples": b"}(" + b"N" + b"\x85" * DEEP + b"Nu.",
    "a value of tuples in tuples": b"}(K\x01N" + b"\x85" * DEEP + b"u.",
    "a state dictionary of lists in lists": b"}(U\x0astate_dict" + b"](" * DEEP + b"e" * DEEP + b"U\x06configK\x01u.",
    "a setting of tuples in tuples": SETTINGS + b"U\x03hidN" + b"\x85" * DEEP + b"uu.",
    "a setting that doubles": b"K\x01q\x010" + TIMES + SETTINGS + b"U\x03hidh\xc8uu.",
    "a key that doubles": b"K\x01q\x010" + TIMES + b"}(h\xc8Nu.",
    "a place in memory": b"Nr\xff\xff\xff\x7f.",
    "a text without end": b"X\xff\xff\xff\x7f.",
    "bytes without end": b"\x8e" + b"\xff" * 7 + b"\x7f.",
    "a number without end": b"\x8b\xff\xff\xff\x7f.",
    "marks without end": b"(" * DEEP + b".",
    "a call of a value": b"K\x01)R.",
    "nothing": b".",
}


@pytest.mark.parametrize(
    ("written", "content"),
    [
        *((lambda pickle, path: path.write_bytes(pickle), name) for name in CRAFTED),
        (_in_an_archive, "a key of tuples in tuples"),
        (_before_archives, "a key of tuples in tuples"),
    ],
)
def test_a_pickle_of_a_hypernetwork_without_end(tmp_path, content, written):
    """Each ended Python's own unpickler, or PyTorch's, by a signal, by an error of recursion, or not at all."""
    path = tmp_path / "evil.pt"
    written(b"\x80\x02" + CRAFTED[content], path)
    with pytest.raises(CheckpointError) as raised:
        GHN.load(path)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 1000


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [(0, (10**6, 10**6), (0, 0)), (0, (10**9,), (1,)), (7, (2,), (1,)), (0, (-1,), (1,)), (0, (2**62, 4), (0, 1))],
)
def test_a_tensor_that_is_larger_than_its_file(tmp_path, offset, size, stride):
    class Larger:
        def __reduce__(self):
            storage = torch.zeros(8).untyped_storage()
            typed = torch.storage.TypedStorage(wrap_storage=storage, dtype=torch.float32, _internal=True)
            return torch._utils._rebuild_tensor_v2, (typed, offset, size, stride, False, {})

    torch.save({"embed.weight": Larger()}, tmp_path / "evil.pt")
    with pytest.raises(CheckpointError, match="is not read: it is damaged or no file of weights"):
        GHN.load(tmp_path / "evil.pt")


def test_an_archive_that_grows_when_it_is_read(tmp_path):
    with ZipFile(tmp_path / "evil.pt", "w", ZIP_DEFLATED) as archive:
        archive.writestr("evil/data.pkl", b"\x80\x02N." + b"0" * 10**7)
    with pytest.raises(CheckpointError, match="its parts are larger than the file"):
        GHN.load(tmp_path / "evil.pt")


def test_a_batch_that_would_run_something(tmp_path):
    path, aim = tmp_path / "data_batch_1", tmp_path / "made"

    class Harm:
        def __reduce__(self):
            return (__import__("os").mkdir, (str(aim),))

    for content in (Harm(), {"data": Harm(), "labels": [1]}):
        path.write_bytes(pickle.dumps(content, protocol=2))
        with pytest.raises(ImageDataError, match="refused"):
            read_batch(path)
    assert not aim.exists()


@pytest.mark.parametrize("name", ["fasterrcnn_resnet50_fpn", "deeplabv3_resnet50", 7])
def test_a_network_that_would_be_downloaded(network, name, monkeypatch):
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", lambda *_, **__: pytest.fail("it downloads"))
    with pytest.raises(CheckpointError, match="no classification model of torchvision"):
        load(network(architecture=None, model=name))


@pytest.mark.parametrize("changed", [{"n_cells": 10**12}, {"C": 10**12}, {"fc_layers": 10**9}, {"ks": 10**9 + 1}])
def test_numbers_without_end(network, changed):
    with pytest.raises(ArchitectureError, match="must be at most"):
        Architecture.from_dict({**SMALL.to_dict(), **changed})
    with pytest.raises(CheckpointError):
        describe(network(architecture={**SMALL.to_dict(), **changed}))


@pytest.mark.parametrize(
    "changed", [{"num_classes": 10**13}, {"architecture": {**SMALL.to_dict(), "C": 100_000, "n_cells": 3}}]
)
def test_a_network_that_is_larger_than_its_weights(network, changed):
    with pytest.raises(CheckpointError, match="does not hold the weights"):
        load(network(**changed))


def test_json_without_end(network, tmp_path):
    nested = "[" * 200_000 + "]" * 200_000
    (tmp_path / ".deepnets1m_val.parts").mkdir()
    for name, read in (
        (".deepnets1m_val.parts/settings.json", lambda: generate("val", 1, tmp_path)),
        ("labels.json", lambda: read_label_file(tmp_path / "labels.json")),
        ("labels.json", lambda: read_labelled(tmp_path / "labels.json")),
        ("graphs.jsonl", lambda: load_graphs(tmp_path / "graphs.jsonl")),
        ("deepnets1m_eval_meta.json", lambda: DeepNets1M(tmp_path, "val")),
        ("train-labels.json", lambda: open_architectures(tmp_path / "train-labels.json", DartsSpace())),
        ("network.json", lambda: describe(tmp_path)),
        ("config.json", lambda: SearchResult.load(tmp_path)),
        ("a.json", lambda: Predictor.load(tmp_path / "a.json")),
    ):
        (tmp_path / name).write_text(nested)
        with pytest.raises(TartError):
            read()


def test_a_table_with_more_rows_than_bytes(tmp_path):
    """Equal rows are stored once: a file of some kilobytes may say that there are billions."""
    count = 300_000
    table = {"score": np.zeros(count), "architecture": pa.array(["{}"] * count)}
    pq.write_table(pa.table(table), tmp_path / "c.parquet", compression="zstd")
    with pytest.raises(RunFolderError, match="more rows than bytes"):
        ScoredCandidates.read(tmp_path / "c.parquet")
    image = pa.scalar({"bytes": b"x", "path": None}, pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    images = pa.table({"img": pa.repeat(image, count), "label": pa.array([0] * count)})
    for name in ("train-00000-of-00001.parquet", "test-00000-of-00001.parquet"):
        pq.write_table(images, tmp_path / name, compression="zstd")
    with pytest.raises(ImageDataError, match="more rows than bytes"):
        load_images("cifar10", tmp_path)


@pytest.mark.parametrize(
    "settings",
    [{"ensemble": 10**9}, {"layers": 10**9}, {"width": 10**15}, {"ensemble": -1}, {"heads": 10**30}, {"nothing": 1}],
)
def test_a_predictor_of_absurd_size(tmp_path, settings):
    path = tmp_path / "predictor.safetensors"
    predictor = Predictor.from_pretrained("deepnets1m-cifar10-graph")
    predictor.save(path)
    metadata = predictor.metadata
    metadata["settings"].update(settings)
    header = {"format": "tart-nas predictor", "version": "2", "metadata": json.dumps(metadata)}
    path.write_bytes(save({"0.head.bias": np.zeros(1, dtype=np.float32)}, header))
    with pytest.raises(CheckpointError):
        Predictor.load(path)


def test_messages_are_bounded():
    error = RunFolderError(f"a{'b' * 300_000}c: use a new folder.")
    assert len(str(error)) < 2100
    assert str(error).startswith("abbb")
    assert str(error).endswith("c: use a new folder.")


HOSTILE = "\x1b]0;title\x07\x9b2J\u202e"  # a terminal's title, an emptied screen, text from right to left


def test_control_characters_of_a_file_are_shown_and_not_obeyed(tmp_path, command):
    assert str(RunFolderError(f"a {HOSTILE}b\nc")) == "a \\x1b]0;title\\x07\\x9b2J\\u202eb\nc"
    hostile = tmp_path / f"{HOSTILE}.json"
    hostile.write_text(json.dumps([HOSTILE]))
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.json").write_text(json.dumps({"settings": {HOSTILE: HOSTILE}}))
    network = tmp_path / "networks.json"
    network.write_text(json.dumps({"darts": {f"{HOSTILE}7": {"architecture": DARTS.to_dict(), "val_acc": 90.0}}}))
    for arguments in (
        ["score", hostile, "--predictor", "params"],
        ["score", tmp_path / HOSTILE, "--predictor", "params"],
        ["report", tmp_path / "run"],
        ["score", network, "--predictor", "params"],
        ["fit", network, "--kind", HOSTILE, "--out", tmp_path / "p.safetensors"],
    ):
        _, out, errors = command(*arguments)
        assert (out + errors).replace("\n", "").isprintable()


@pytest.mark.parametrize(
    "address",
    [
        "postgresql+psycopg://tart:hidden@host/db",
        "postgresql+psycopg://host/db?user=tart&password=hidden",
        "postgresql+psycopg://host/db?sslpassword=hidden&connect_timeout=3",
        "mysql://host/db?passwd=hidden",
        "postgresql+psycopg://tart:hidden@host/db?Password=hidden",
    ],
)
def test_passwords_are_written_nowhere(address, tmp_path):
    shown = masked(address)
    assert shown is not None
    assert "hidden" not in shown
    assert shown.startswith(address.partition("://")[0])
    with pytest.raises(SettingError, match="password") as raised:
        open_study(shown, "s", tmp_path / "none")
    assert "hidden" not in str(raised.value)


def test_addresses_without_a_password_are_shown():
    for address in ("sqlite:////tmp/a?mode=ro", "grpc://host:1", "postgresql://host/db?connect_timeout=3"):
        assert masked(address) == address


def test_others_may_read_what_is_written(network):
    for path in network().iterdir():
        assert path.stat().st_mode & 0o444 == 0o444
