"""500 random corruptions of small files: networks are read right or refused in one line, and nothing hangs or dies."""

import json
import multiprocessing
import shutil
from concurrent.futures import ProcessPoolExecutor

import h5py
import numpy as np
import pytest

from tart_nas.deepnets1m import DeepNets1M, generate
from tart_nas.errors import DeepNetsError

CORRUPTIONS = 250  # of each file
NAMES = ("deepnets1m_eval.hdf5", "deepnets1m_eval_meta.json")


@pytest.fixture(scope="module")
def small_generated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    generate("val", 6, folder, seed=2)
    return folder


@pytest.fixture(scope="module")
def small_of_generator(generator_files, tmp_path_factory):
    """Six networks of the data set's own generator, uncompressed, so that no corruption meets a compressed stream."""
    folder = tmp_path_factory.mktemp("small")
    meta = json.loads((generator_files / NAMES[1]).read_text())
    sizes = [net["num_nodes"] for net in meta["val"]["nets"]]
    chosen = sorted(np.argsort(sizes)[:6].tolist())
    meta["val"]["nets"] = [meta["val"]["nets"][i] for i in chosen]
    (folder / NAMES[1]).write_text(json.dumps({"val": meta["val"]}))
    with h5py.File(generator_files / NAMES[0]) as source, h5py.File(folder / NAMES[0], "w") as file:
        for i, index in enumerate(chosen):
            for name in ("adj", "nodes"):
                file[f"val/{i}/{name}"] = source[f"val/{index}/{name}"][()]
    return folder


def content(dataset, index):
    """A network as values that can be compared, or the error's text."""
    try:
        graph = dataset[index].graph
    except DeepNetsError as error:
        return str(error)
    labels = zip(graph.primitives.tolist(), graph.cells.tolist(), graph.names, strict=True)
    return tuple(labels), graph.edges.tobytes(), graph.distances.tobytes()


def read(folder):
    try:
        dataset = DeepNets1M(folder, "val")
    except DeepNetsError as error:
        return str(error)
    return [content(dataset, index) for index in range(min(len(dataset), 10))]


def corrupted(text, rng):
    """The bytes with one random fault."""
    data = bytearray(text)
    place = int(rng.integers(len(data)))
    length = int(rng.integers(1, 20))
    kind = rng.integers(6)
    if kind == 0:
        data[place] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        data[place] = int(rng.integers(256))
    elif kind == 2:
        data[place : place + length] = rng.bytes(length)
    elif kind == 3:
        del data[place:]
    elif kind == 4:
        del data[place : place + length]
    else:
        other = int(rng.integers(len(data)))
        data[place : place + length] = data[other : other + length]
    return bytes(data)


@pytest.mark.parametrize("origin", ["small_generated", "small_of_generator"])
def test_corrupted_files(origin, request, tmp_path):
    folder = request.getfixturevalue(origin)
    expected = read(folder)
    assert all(isinstance(network, tuple) for network in expected)
    rng = np.random.default_rng(0)
    folders = []
    for i in range(CORRUPTIONS):
        shutil.copytree(folder, tmp_path / str(i))
        path = tmp_path / str(i) / NAMES[i % 2]
        path.write_bytes(corrupted(path.read_bytes(), rng))
        folders.append(tmp_path / str(i))
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:  # lest a crash be ours
        results = [future.result(timeout=60) for future in [pool.submit(read, folder) for folder in folders]]
    refused = 0
    for i, result in enumerate(results):
        for network, right in zip([result] if isinstance(result, str) else result, expected, strict=False):
            refused += isinstance(network, str)
            assert (isinstance(network, str) and "\n" not in network) or network == right, i
    assert refused > CORRUPTIONS / 4
