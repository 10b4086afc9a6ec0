import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tart_nas.architecture import Architecture
from tart_nas.deepnets1m import generate, split_files
from tart_nas.deepnets1m.emulation import generator_graph, stored_rows
from tart_nas.graphs import PRIMITIVES


@pytest.fixture(scope="session")
def all_300(generator_nets, tmp_path_factory):
    """A folder with 300 networks in the form of the data set's own generator.

    The graphs are made here; tests/graphs holds them to the digests of those that the generator wrote.
    """
    folder = tmp_path_factory.mktemp("all")
    metas: dict[Path, Any] = {}
    for split, nets in generator_nets.items():
        graphs, meta = split_files(folder, split)
        names: dict[str, int] = {}
        with h5py.File(graphs, "a") as file:
            for index, net in enumerate(nets):
                graph = generator_graph(Architecture.from_dict(net))
                rows = stored_rows(graph)
                ids = [names.setdefault(graph.names[row], len(names)) for row in rows]
                nodes = np.stack([graph.primitives[rows], graph.cells[rows], ids], axis=1).astype(np.uint16)
                file[f"{split}/{index}/adj"], file[f"{split}/{index}/nodes"] = graph.distances.astype(np.uint8), nodes
        tables = {
            "primitives_ext": dict(enumerate(PRIMITIVES)),
            "unique_op_names": {key: name for name, key in names.items()},
        }
        described = [{key: net[key] for key in net if key != "sha256"} for net in nets]
        metas.setdefault(meta, {})[split] = {"nets": described, "meta": tables}
    for path, content in metas.items():
        path.write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="session")
def generated(tmp_path_factory):
    """A folder with 30 networks of val, 20 of wide and 20 of search, written by this package."""
    folder = tmp_path_factory.mktemp("generated")
    for split, n in (("val", 30), ("wide", 20), ("search", 20)):
        generate(split, n, folder, seed=1)
    return folder


@pytest.fixture
def edited(generator_files, tmp_path):
    """Copies the evaluation files and lets a function change their meta data."""

    def edit(change):
        for name in ("deepnets1m_eval.hdf5", "deepnets1m_eval_meta.json"):
            shutil.copyfile(generator_files / name, tmp_path / name)
        meta = json.loads((generator_files / "deepnets1m_eval_meta.json").read_text())
        change(meta)
        (tmp_path / "deepnets1m_eval_meta.json").write_text(json.dumps(meta))
        return tmp_path

    return edit
