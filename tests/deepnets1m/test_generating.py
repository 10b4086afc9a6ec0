import json
import multiprocessing
import os
import resource
import shutil
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from tart_nas.architecture import Architecture
from tart_nas.deepnets1m import DeepNets1M, generate
from tart_nas.deepnets1m.emulation import generator_graph
from tart_nas.deepnets1m.generating import widened
from tart_nas.deepnets1m.layout import primitive_id
from tart_nas.deepnets1m.part_file import read_part
from tart_nas.errors import DeepNetsError, SettingError
from tart_nas.graphs import PRIMITIVES
from tart_nas.layout import parameter_count
from tart_nas.search_spaces import DeepNets1MSpace

GRAPHS, META = "deepnets1m_eval.hdf5", "deepnets1m_eval_meta.json"


def content(folder, name="eval"):
    """All that a pair of files holds: the meta file's text, and the arrays by path."""
    arrays = {}
    with h5py.File(folder / f"deepnets1m_{name}.hdf5") as file:
        file.visititems(lambda path, item: arrays.update({path: item[()].tobytes()} if hasattr(item, "dtype") else {}))
    return (folder / f"deepnets1m_{name}_meta.json").read_text(), arrays


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """250 networks of val, made in one go by one process."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert generate("val", 250, folder, seed=7) == folder / GRAPHS
    return folder


def test_files_are_in_the_released_layout(undisturbed, generator_files):
    meta = json.loads((undisturbed / META).read_text())
    released = json.loads((generator_files / META).read_text())
    assert list(meta) == ["val"]
    assert meta["val"].keys() == released["val"].keys()
    assert meta["val"]["meta"].keys() == released["val"]["meta"].keys()
    assert set(meta["val"]["nets"][0]) == {*released["val"]["nets"][0], "C"}
    names = set(released["val"]["meta"]["primitives_ext"].values())
    assert set(meta["val"]["meta"]["primitives_ext"].values()) == names | {"bn"}
    ids = [int(key) for key in meta["val"]["meta"]["unique_op_names"]]
    assert ids == list(range(len(ids)))
    with h5py.File(undisturbed / GRAPHS) as file:
        assert file.attrs["title"] == "DeepNets-1M"
        assert set(file["val"]) == {str(i) for i in range(250)}
        for i, net in enumerate(meta["val"]["nets"]):
            adj, nodes = file[f"val/{i}/adj"], file[f"val/{i}/nodes"]
            assert (adj.dtype, adj.shape) == (np.uint8, (net["num_nodes"], net["num_nodes"]))
            assert (nodes.dtype, nodes.shape) == (np.uint16, (net["num_nodes"], 3))


def test_the_data_sets_own_loader_can_read_them(undisturbed):
    """As that loader does: rows of ``nodes`` are the nodes of ``adj``, names are as they are in the networks."""
    meta = json.loads((undisturbed / META).read_text())["val"]
    dataset = DeepNets1M(undisturbed, "val", virtual_edges=250)
    with h5py.File(undisturbed / GRAPHS) as file:
        for i in range(0, 250, 5):
            adj, nodes = file[f"val/{i}/adj"][()], file[f"val/{i}/nodes"][()]
            primitives = [meta["meta"]["primitives_ext"][str(p)] for p in nodes[:, 0]]
            graph = dataset[i].graph
            assert [primitive_id(name) for name in primitives] == graph.primitives.tolist()
            assert (nodes[:, 1] == graph.cells).all()
            assert [meta["meta"]["unique_op_names"][str(k)] for k in nodes[:, 2]] == list(graph.names)
            assert np.array_equal(adj, graph.distances)
            assert np.tril(adj).sum() == 0
            assert primitives[0] == "input"
            assert primitives[-2:] == ["conv_1x1", "bias"]
            # it counts the nodes of each cell and takes the last two to be the classifier
            assert (np.diff(nodes[:, 1].astype(int)) >= 0).all()


def test_networks_are_those_of_the_space_with_more_channels(undisturbed):
    drawn = [a for part in range(3) for a in DeepNets1MSpace("val").part(part, seed=7)][:250]
    for example, narrow in zip(DeepNets1M(undisturbed, "val"), drawn, strict=True):
        assert example.architecture
        assert replace(example.architecture, C=32) == narrow
        assert example.architecture == widened("val", narrow)
        assert example.extra["num_params"] == {
            "cifar10": parameter_count(narrow, 10, 32),
            "imagenet": parameter_count(narrow, 10, 224),
        }
        assert example.architecture.C % 16 == 0
        assert parameter_count(example.architecture) >= 2_500_000
        if example.architecture.C > 32:
            assert parameter_count(replace(narrow, C=example.architecture.C - 16)) < 2_500_000


def test_training_and_search_networks_keep_their_channels():
    narrow = DeepNets1MSpace("search").sample(20, 0)
    assert [widened(split, a) for split in ("search", "train") for a in narrow] == narrow * 2
    small = next(a for a in narrow if parameter_count(a) < 2_500_000)
    assert all(widened(split, small).C > 32 for split in ("wide", "deep", "bnfree"))


@pytest.mark.parametrize("workers", [2, 3])
def test_workers_do_not_matter(undisturbed, tmp_path, workers):
    generate("val", 250, tmp_path, seed=7, workers=workers)
    assert content(tmp_path) == content(undisturbed)
    assert (tmp_path / GRAPHS).read_bytes() == (undisturbed / GRAPHS).read_bytes()


def test_seeds_and_splits_matter_and_more_networks_go_on(undisturbed, tmp_path):
    expected = list(DeepNets1M(undisturbed, "val").architectures())
    generate("val", 120, tmp_path / "fewer", seed=7)
    assert list(DeepNets1M(tmp_path / "fewer", "val").architectures()) == expected[:120]
    generate("val", 20, tmp_path / "other", seed=8)
    assert list(DeepNets1M(tmp_path / "other", "val").architectures()) != expected[:20]
    generate("test", 20, tmp_path / "test", seed=7)
    assert list(DeepNets1M(tmp_path / "test", "test").architectures()) != expected[:20]


def test_compressed_files_hold_the_same(undisturbed, tmp_path):
    generate("val", 250, tmp_path, seed=7, compress=True)
    assert content(tmp_path) == content(undisturbed)
    assert (tmp_path / GRAPHS).stat().st_size < (undisturbed / GRAPHS).stat().st_size / 4
    assert DeepNets1M(tmp_path, "val")[200].graph.num_nodes == DeepNets1M(undisturbed, "val")[200].graph.num_nodes


def test_evaluation_splits_lie_beside_each_other(tmp_path):
    expected = {}
    for split in ("val", "wide", "dense"):
        generate(split, 12, tmp_path / "alone", seed=1)
        expected[split] = content(tmp_path / "alone")[1]
        shutil.rmtree(tmp_path / "alone")
        generate(split, 12, tmp_path, seed=1)
    text, arrays = content(tmp_path)
    assert list(json.loads(text)) == ["val", "wide", "dense"]
    assert arrays == {**expected["val"], **expected["wide"], **expected["dense"]}
    for split in expected:
        assert len(list(DeepNets1M(tmp_path, split))) == 12
    generate("train", 5, tmp_path, seed=1)
    assert len(DeepNets1M(tmp_path, "train")) == 5
    assert content(tmp_path) == (text, arrays)


def test_what_a_file_holds_already_stays(generator_files, tmp_path):
    for name in (GRAPHS, META):
        shutil.copyfile(generator_files / name, tmp_path / name)
    content_before = json.loads((tmp_path / META).read_text())
    del content_before["deep"]
    content_before["val"]["new"] = [1]
    (tmp_path / META).write_text(json.dumps(content_before))
    with h5py.File(tmp_path / GRAPHS, "r+") as file:
        del file["deep"]
        file["val"].attrs["new"] = 3
    generate("deep", 3, tmp_path, seed=1)
    after = json.loads((tmp_path / META).read_text())
    assert {name: after[name] for name in content_before} == content_before
    with h5py.File(tmp_path / GRAPHS) as file:
        assert file["val"].attrs["new"] == 3
    assert len(list(DeepNets1M(tmp_path, "val"))) == len(content_before["val"]["nets"])
    assert len(list(DeepNets1M(tmp_path, "deep"))) == 3


def test_a_split_that_is_there_is_not_replaced(generated, tmp_path):
    shutil.copytree(generated, tmp_path, dirs_exist_ok=True)
    before = content(tmp_path)
    with pytest.raises(DeepNetsError, match=r"deepnets1m_eval.hdf5 holds the split 'val' already"):
        generate("val", 5, tmp_path)
    (tmp_path / META).unlink()
    with pytest.raises(DeepNetsError, match=r"deepnets1m_eval.hdf5 holds the split 'val' already"):
        generate("val", 5, tmp_path)
    (tmp_path / META).write_text(before[0][:-7])
    with pytest.raises(DeepNetsError, match=r"is no complete JSON file"):
        generate("test", 5, tmp_path)
    (tmp_path / META).write_text(before[0])
    assert content(tmp_path) == before
    (tmp_path / GRAPHS).write_bytes(b"no HDF5 file")
    with pytest.raises(DeepNetsError, match=r"is no complete HDF5 file"):
        generate("test", 5, tmp_path)
    assert (tmp_path / GRAPHS).read_bytes() == b"no HDF5 file"


def test_bad_arguments(tmp_path):
    for arguments, message in (
        ({"split": "all"}, "`split` must be one of"),
        ({"split": "predefined"}, "is built in code"),
        ({"n": 0}, "`n` must be a whole number of at least 1, but got 0"),
        ({"seed": -1}, "`seed` must be a whole number of at least 0, but got -1"),
        ({"workers": 0}, "`workers` must be a whole number of at least 1, but got 0"),
    ):
        with pytest.raises(SettingError, match=message):
            generate(**{"split": "val", "n": 3, "out": tmp_path / "none", **arguments})
    assert not (tmp_path / "none").exists()


def test_progress_is_reported(tmp_path):
    calls = []
    generate("search", 230, tmp_path, workers=2, progress=lambda *call: calls.append(call))
    made = [done for what, done, n in calls if what == "generating"]
    assert made == sorted(made)
    assert (made[0], made[-1]) == (0, 230)
    assert [call for call in calls if call[0] == "writing"][-1] == ("writing", 230, 230)
    assert {n for _, _, n in calls} == {230}


class Interrupt(Exception):
    pass


@pytest.mark.parametrize("place", [("generating", 100), ("generating", 250), ("writing", 100), ("writing", 250)])
def test_interrupted_runs_go_on(undisturbed, tmp_path, place):
    def interrupt(what, done, n):
        if (what, done) == place:
            raise Interrupt

    with pytest.raises(Interrupt):
        generate("val", 250, tmp_path, seed=7, progress=interrupt)
    assert not (tmp_path / GRAPHS).exists()
    calls = []
    generate("val", 250, tmp_path, seed=7, workers=2, progress=lambda *call: calls.append(call))
    assert calls[0] == ("generating", place[1] if place[0] == "generating" else 250, 250)
    assert content(tmp_path) == content(undisturbed)
    assert (tmp_path / GRAPHS).read_bytes() == (undisturbed / GRAPHS).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".deepnets1m_eval.lock", GRAPHS, META]


def test_a_run_that_stopped_between_the_two_files_goes_on(undisturbed, tmp_path, monkeypatch):
    parts = tmp_path / ".deepnets1m_val.parts"
    monkeypatch.setattr("shutil.rmtree", lambda path: None)
    generate("val", 250, tmp_path, seed=7)
    assert parts.exists()
    monkeypatch.undo()
    (tmp_path / META).unlink()
    generate("val", 250, tmp_path, seed=7)
    assert content(tmp_path) == content(undisturbed)
    assert not parts.exists()


def running(group):
    """How many processes of a group have not ended."""
    found = 0
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended just now
            state, _, its_group = file.read_text().rpartition(")")[2].split()[:3]
            found += int(its_group) == group and state != "Z"
    return found


@pytest.mark.parametrize("kill", [os.kill, os.killpg], ids=["the process", "with its workers"])
def test_a_killed_run_goes_on(undisturbed, tmp_path, kill, fork_server):
    code = f"from tart_nas.deepnets1m import generate; generate('val', 250, {str(tmp_path)!r}, seed=7, workers=2)"
    process = fork_server.start(code=code, session=True)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob(".deepnets1m_val.parts/*-100.npz")) and time.monotonic() < deadline:
        time.sleep(0.01)
    kill(process.pid, signal.SIGKILL)
    process.wait()
    generate("val", 250, tmp_path, seed=7)
    assert content(tmp_path) == content(undisturbed)
    deadline = time.monotonic() + 60
    while running(process.pid):  # a worker notices that its process is gone after the part that it makes
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_interrupt_from_the_keyboard_ends_all_processes(tmp_path, fork_server):
    code = f"from tart_nas.deepnets1m import generate; generate('val', 100000, {str(tmp_path)!r}, workers=2)"
    process = fork_server.start(code=code, session=True)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob(".deepnets1m_val.parts/*-100.npz")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert errors.count("Traceback") == 1
    assert errors.rstrip().endswith("KeyboardInterrupt")


def test_parts_of_another_run_are_not_mixed_in(tmp_path):
    def interrupt(what, done, n):
        if done:
            raise Interrupt

    with pytest.raises(Interrupt):
        generate("val", 120, tmp_path, seed=7, progress=interrupt)
    with pytest.raises(DeepNetsError, match=r"deepnets1m_val.parts holds the parts of another run, .*'seed': 7"):
        generate("val", 120, tmp_path, seed=8)
    (part,) = tmp_path.glob(".deepnets1m_val.parts/000000-100.npz")
    whole = part.read_bytes()
    with np.load(part) as arrays:
        members = dict(arrays)
    for changes in ({"names": members["names"] + 9999}, {"cells": members["cells"][:3]}, {"text": members["adj"][:9]}):
        with part.open("wb") as file:  # NumPy's file, but of something else
            np.savez(file, **{**members, **changes})
        with pytest.raises(DeepNetsError, match="is damaged"):
            read_part(part)
    part.write_bytes(whole[:5000])
    with pytest.raises(
        DeepNetsError, match=r"000000-100.npz is damaged .*: without it, the same command makes it again"
    ):
        generate("val", 120, tmp_path, seed=7)
    part.unlink()
    generate("val", 120, tmp_path, seed=7)
    assert len(DeepNets1M(tmp_path, "val")) == 120


def hold(folder, started, done):
    def wait(*_):
        started.set()
        done.wait(60)

    generate("val", 5, folder, progress=wait)


def test_two_processes_do_not_write_the_same_file(tmp_path):
    context = multiprocessing.get_context("fork")
    started, done = context.Event(), context.Event()
    process = context.Process(target=hold, args=(tmp_path, started, done))
    process.start()
    assert started.wait(60)
    with pytest.raises(DeepNetsError, match=r"Another process is writing .*deepnets1m_eval.hdf5"):
        generate("test", 5, tmp_path)
    done.set()
    process.join(60)
    generate("test", 5, tmp_path)
    assert len(DeepNets1M(tmp_path, "val")) == len(DeepNets1M(tmp_path, "test")) == 5


def on_a_full_disk(folder, limit, results):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))  # a file of this size is as large as the disk
    try:
        generate("test", 100, folder, seed=1)
    except OSError as error:
        results.put(str(error))


@pytest.mark.parametrize("limit", [20_000, 1_000_000])
def test_a_full_disk_harms_nothing(generated, tmp_path, limit):
    """The smaller limit is met by a part, the larger one by the HDF5 file."""
    shutil.copytree(generated, tmp_path, dirs_exist_ok=True)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    process = context.Process(target=on_a_full_disk, args=(tmp_path, limit, results))
    process.start()
    message = results.get(timeout=60)
    process.join(60)
    assert "too large" in message or "write" in message.lower()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    generate("test", 100, tmp_path, seed=1)
    assert len(DeepNets1M(tmp_path, "test")) == 100


@pytest.mark.slow  # for the shares of rare operations
def test_statistics_agree_with_those_of_the_data_sets_generator(generator_nets, tmp_path):
    generate("val", 2000, tmp_path, seed=0, workers=2, compress=True)
    meta = json.loads((tmp_path / META).read_text())["val"]
    nodes: list[int] = []
    edges, found = 0, Counter[int]()
    with h5py.File(tmp_path / GRAPHS) as file:
        for net in file["val"].values():
            rows = net["nodes"][()]
            nodes.append(len(rows))
            edges += int((net["adj"][()] == 1).sum())
            found.update(rows[:, 0].tolist())
    assert abs(np.mean(nodes) - 190) < 10
    assert min(nodes) < 40
    assert 500 < max(nodes) < 800
    assert abs(2 * edges / sum(nodes) - 2.3) < 0.05
    shares = dict.fromkeys(range(len(PRIMITIVES)), 0.0)
    for key, count in found.items():
        primitive = primitive_id(meta["meta"]["primitives_ext"][str(key)])
        assert primitive is not None
        shares[primitive] += count / sum(nodes)
    reference: Counter[int] = Counter()
    for split in ("val", "test"):
        for net in generator_nets[split]:
            reference.update(generator_graph(Architecture.from_dict(net)).primitives.tolist())
    for primitive in range(len(PRIMITIVES)):
        assert abs(shares[primitive] - reference[primitive] / reference.total()) < 0.02, PRIMITIVES[primitive]


def test_architectures_survive_the_files(undisturbed):
    nets = json.loads((undisturbed / META).read_text())["val"]["nets"]
    assert [Architecture.from_dict(net) for net in nets] == list(DeepNets1M(undisturbed, "val").architectures())
