import json
from typing import Any

import h5py
import pytest


@pytest.fixture(scope="session")
def nets(shared):
    """The 300 nets: (split, index, description)."""
    found = []
    for file in ("eval", "search"):
        meta = json.loads((shared / f"deepnets1m/deepnets1m_{file}_meta.json").read_text())
        found += [(split, i, net) for split in meta for i, net in enumerate(meta[split]["nets"])]
    assert len(found) == 300
    return found


@pytest.fixture(scope="session")
def stored(shared):
    """Reads a stored graph: adj, the rows of nodes as (primitive, cell, name)."""
    files, tables = {}, dict[str, Any]()
    for file in ("eval", "search"):
        files[file] = h5py.File(shared / f"deepnets1m/deepnets1m_{file}.hdf5")
        meta = json.loads((shared / f"deepnets1m/deepnets1m_{file}_meta.json").read_text())
        tables |= {split: meta[split]["meta"] for split in meta}

    def read(split, index):
        group = files["search" if split == "search" else "eval"][split][str(index)]
        primitives, names = tables[split]["primitives_ext"], tables[split]["unique_op_names"]
        rows = [
            (primitives[str(p)].removesuffix("_1x1"), int(cell), names[str(name)])
            for p, cell, name in group["nodes"][()]
        ]
        return group["adj"][()], rows

    yield read
    for file in files.values():
        file.close()
