"""Files of hypernetworks: ours, published ones, and what must not be read."""

import argparse
import io
import json
import os
import pickle
import shutil
import socket
from collections import OrderedDict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tart_nas import build_network
from tart_nas.errors import CheckpointError, SettingError
from tart_nas.hypernetworks import GHN, RELEASED, GHNConfig, released_file
from tart_nas.hypernetworks.pickles import read_pickle
from tart_nas.hypernetworks.released import Release
from tart_nas.published import DARTS
from tests.web_server import address_of, answering

CHECKPOINTS = Path(__file__).parents[1] / "data/ghn/checkpoints"
PUBLISHED = ["ghn1_tiny.pt", "ghn2_tiny.pt", "ghn3_tiny.pt", "ghn3_tiny_hf.pt"]
SMALL = GHNConfig(max_shape=(4, 4, 3, 3), num_classes=10, hid=4)


def weights(ghn):
    return dict(ghn.layers.state_dict())


def assert_equal(ghn, other):
    assert ghn.config == other.config
    assert weights(ghn).keys() == weights(other).keys()
    assert all(torch.equal(tensor, weights(other)[name]) for name, tensor in weights(ghn).items())


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_files_load_and_are_converted(name, tmp_path):
    ghn = GHN.load(CHECKPOINTS / name)
    described = json.loads((CHECKPOINTS / f"{name.removesuffix('.pt').removesuffix('_hf')}.json").read_text())
    assert sum(parameter.numel() for parameter in ghn.parameters()) == described["parameters"]
    assert ghn.config == GHNConfig.from_mapping(described["config"])
    ghn.save(tmp_path / "ghn.safetensors", {"from": name})
    assert_equal(GHN.load(tmp_path / "ghn.safetensors"), ghn)


def test_the_two_forms_of_one_hypernetwork_are_equal():
    assert_equal(GHN.load(CHECKPOINTS / "ghn3_tiny.pt"), GHN.load(CHECKPOINTS / "ghn3_tiny_hf.pt"))


@pytest.mark.parametrize("name", ["ghn1_tiny", "ghn2_tiny", "ghn3_tiny"])
def test_settings_follow_from_weights_alone(name, tmp_path):
    content = torch.load(CHECKPOINTS / f"{name}.pt", weights_only=False)
    torch.save(content["state_dict"], tmp_path / "bare.pt")
    assert_equal(GHN.load(tmp_path / "bare.pt"), GHN.load(CHECKPOINTS / f"{name}.pt"))


def test_what_a_training_keeps_beside_the_weights_is_no_hindrance(tmp_path):
    content = torch.load(CHECKPOINTS / "ghn2_tiny.pt", weights_only=True)
    state = {f"module.{name}": tensor for name, tensor in content["state_dict"].items()}  # of several devices
    options = argparse.Namespace(name="ghn2", lr=0.001)
    training = {"optimzer": {"state": {0: {"step": torch.tensor(1.0)}}}, "args": options, "epoch": 3}
    torch.save({**content, **training, "state_dict": state}, tmp_path / "training.pt")
    assert_equal(GHN.load(tmp_path / "training.pt"), GHN.load(CHECKPOINTS / "ghn2_tiny.pt"))


def test_files_of_pytorch_before_archives(tmp_path):
    content = torch.load(CHECKPOINTS / "ghn2_tiny.pt", weights_only=True)
    torch.save(content, tmp_path / "before.pt", _use_new_zipfile_serialization=False)
    assert_equal(GHN.load(tmp_path / "before.pt"), GHN.load(CHECKPOINTS / "ghn2_tiny.pt"))


@pytest.mark.parametrize("with_archives", [True, False])
def test_tensors_are_those_that_pytorch_reads(with_archives, tmp_path):
    base = torch.arange(24.0).reshape(2, 3, 4)
    content = {
        "view": base[:, 1:, ::2],
        "turned": base.permute(2, 0, 1),
        "half": base.half(),
        "brain": base.bfloat16(),
        "steps": {0: torch.tensor(3), 1: torch.tensor([True, False])},
        "empty": torch.empty(0, 3),
        "parameter": torch.nn.Parameter(base.double()),
        "plain": [1, -(2**40), 2.5, "é", None, True, (1, "x")],
    }
    torch.save(content, tmp_path / "file.pt", _use_new_zipfile_serialization=with_archives)
    read, expected = read_pickle(tmp_path / "file.pt"), torch.load(tmp_path / "file.pt", weights_only=True)
    assert read.keys() == expected.keys()
    assert read["plain"] == expected["plain"]
    for name in ("view", "turned", "half", "brain", "empty", "parameter"):
        assert read[name].dtype == expected[name].dtype
        assert torch.equal(read[name], expected[name])
    assert all(torch.equal(read["steps"][step], expected["steps"][step]) for step in (0, 1))


class Malicious:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


class TorchFile:
    """What joblib makes of a tensor's numbers."""

    def __init__(self, content):
        self.content = content

    def __reduce__(self):
        return torch.storage._load_from_bytes, (self.content,)


def _as_pickle(evil, path):
    path.write_bytes(pickle.dumps(OrderedDict({"embed.weight": evil}), protocol=4))


def _as_archive(evil, path):
    torch.save({"state_dict": {"embed.weight": evil}, "config": {}}, path)


def _inside_a_storage(evil, path):
    content = io.BytesIO()
    torch.save(evil, content, _use_new_zipfile_serialization=False)
    text = pickle.dumps(OrderedDict({"embed.weight": TorchFile(content.getvalue())}), protocol=4)
    path.write_bytes(text)


@pytest.mark.parametrize("written", [_as_pickle, _as_archive, _inside_a_storage])
def test_nothing_in_a_file_is_run(written, tmp_path):
    written(Malicious(tmp_path / "attacked"), tmp_path / "evil.pt")
    with pytest.raises(CheckpointError, match=r"it would run posix.mkdir, and no file of weights needs that") as caught:
        GHN.load(tmp_path / "evil.pt")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "attacked").exists()


@pytest.mark.parametrize("name", [*PUBLISHED, "mlp_tiny.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.999])
def test_truncated_files(name, share, tmp_path):
    content = (CHECKPOINTS / name).read_bytes()
    (tmp_path / "ghn.pt").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CheckpointError, match=r"ghn\.pt") as caught:
        GHN.load(tmp_path / "ghn.pt")
    assert "\n" not in str(caught.value)


def _own_file(tmp_path, change):
    """A file of ours whose tensors are changed."""
    GHN.from_config(SMALL).save(tmp_path / "ghn.safetensors")
    ghn = GHN.load(tmp_path / "ghn.safetensors")
    tensors = weights(ghn)
    change(tensors)
    header = {"format": "tart-nas hypernetwork", "version": "1", "config": json.dumps(SMALL.as_dict()), "about": "{}"}
    save_file(tensors, tmp_path / "ghn.safetensors", header)
    return tmp_path / "ghn.safetensors"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("ln.bias"), r"lacks the weights 'ln\.bias'"),
        (lambda t: t.update(other=torch.zeros(2)), "has the weights 'other', for which its settings have no layer"),
        (lambda t: t.update({"ln.bias": torch.zeros(7)}), r"'ln\.bias' of \(7,\), but by its settings it is \(4,\)"),
        (lambda t: t["ln.bias"].fill_(float("nan")), r"has numbers that are not finite, in 'ln\.bias'"),
        (lambda t: t.update({"ln.bias": torch.zeros(4, dtype=torch.int64)}), r"'ln\.bias' is no tensor of weights"),
    ],
)
def test_weights_that_do_not_fit(change, message, tmp_path):
    with pytest.raises(CheckpointError, match=message):
        GHN.load(_own_file(tmp_path, change))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"state_dict": {}, "config": {"max_shape": (4, 4, 3, 3)}}, "lack 'num_classes'"),
        ({"state_dict": {}, "config": {"max_shape": (4, 4), "num_classes": 10}}, "`max_shape` must be four numbers"),
        ({"state_dict": {}, "config": {"max_shape": (4, 4, 3, 3), "num_classes": 1, "hat": 1}}, "no setting 'hat'"),
        ({"state_dict": {}}, "lacks 'config'"),
        ({"conv1.weight": torch.zeros(3, 3)}, "its weights are not those of a hypernetwork"),
        ([1, 2], "it holds a list"),
    ],
)
def test_checkpoints_of_another_kind(content, message, tmp_path):
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match=message):
        GHN.load(tmp_path / "other.pt")


def test_other_files_and_names(tmp_path):
    (tmp_path / "text.pt").write_text("a text that is long enough to have a header")
    save_file({"x": torch.zeros(2)}, tmp_path / "other.safetensors", {"format": "pt"})
    for name, message in (
        (tmp_path / "text.pt", "no complete file of a hypernetwork"),
        (tmp_path / "other.safetensors", "its format is 'pt'"),
        (tmp_path / "missing.pt", "There is no file of a hypernetwork at"),
        ("ghn4", "There is no hypernetwork 'ghn4': expected a file, or one of ghn2-cifar10-small, ghn1-cifar10, "),
        (tmp_path, "There is no file of a hypernetwork at"),
    ):
        with pytest.raises(CheckpointError, match=message):
            GHN.load(name)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hypernet": "gcn"}, "`hypernet` must be one of gatedgnn, mlp, graphormer"),
        ({"hid": 6}, "`hid` must be a multiple of 4, but got 6"),
        ({"max_shape": (4, 4, 3, 5)}, "last two numbers of `max_shape` must be equal"),
        ({"hypernet": "graphormer", "layers": 2, "heads": 3}, "`heads` must divide `hid`, but got 3 and 4"),
        ({"hypernet": "graphormer"}, "`layers` of a graphormer must be a whole number of at least 1, but got 0"),
        ({"ve": 1}, "`ve` must be True or False, but got 1"),
    ],
)
def test_settings_out_of_range(changes, message):
    with pytest.raises(SettingError, match=message):
        GHN.from_config(SMALL, **changes)


CONTENT = (CHECKPOINTS / "ghn3_tiny_hf.pt").read_bytes()


class Server(ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges, self.breaks_after = [], None


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        start = int(self.headers.get("Range", "bytes=0-")[len("bytes=") : -1])
        self.server.ranges.append(start)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start:][: self.server.breaks_after])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    server = Server()
    monkeypatch.setitem(RELEASED, "ghn3tm8", Release(f"{address_of(server)}/ghn3tm8.pt", 1000))
    with answering(server):
        yield server


def test_a_published_name_is_downloaded_once_and_a_broken_download_goes_on(server, tmp_path):
    server.breaks_after = 100_000
    with pytest.raises(CheckpointError, match=r"broke off after 100,000 of 247,203 bytes: the same command goes on"):
        GHN.load("ghn3tm8", folder=tmp_path)
    server.breaks_after = None
    assert_equal(GHN.load("ghn3tm8", folder=tmp_path), GHN.load(CHECKPOINTS / "ghn3_tiny_hf.pt"))
    assert_equal(GHN.load("ghn3tm8", folder=tmp_path), GHN.load(CHECKPOINTS / "ghn3_tiny.pt"))
    assert server.ranges == [0, 100_000]


def test_offline(monkeypatch, tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/ghn2_cifar10.pt"
        monkeypatch.setitem(RELEASED, "ghn2-cifar10", Release(url, 1_620_764))
        with pytest.raises(CheckpointError, match=f"Cannot get {url}: .*refused") as caught:
            GHN.load("ghn2-cifar10", folder=tmp_path)
    assert f"or download the file (6 MB) by other means to {tmp_path}/ghn2_cifar10.pt" in str(caught.value)
    shutil.copyfile(CHECKPOINTS / "ghn2_tiny.pt", tmp_path / "ghn2_cifar10.pt")
    assert_equal(GHN.load("ghn2-cifar10", folder=tmp_path), GHN.load(CHECKPOINTS / "ghn2_tiny.pt"))


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=r"Cannot write .*ghn3tm8\.pt: "):
        released_file("ghn3tm8", tmp_path / "file")
    ghn = GHN.from_config(SMALL)
    with pytest.raises(CheckpointError, match="Cannot write the hypernetwork to"):
        ghn.save(tmp_path / "file/ghn.safetensors")


def test_a_loaded_hypernetwork_can_be_trained(tmp_path):
    ghn = GHN.load(CHECKPOINTS / "ghn2_tiny.pt")
    network = build_network(DARTS.resized(n_cells=2, C=4))
    torch.stack([value.sum() for value in ghn.predict(network, keep_grads=True).values()]).sum().backward()
    assert all(parameter.requires_grad for parameter in ghn.parameters())
    gradient = ghn.layers.get_parameter("gnn.gru.weight_hh").grad
    assert gradient is not None
    assert gradient.abs().sum() > 0
