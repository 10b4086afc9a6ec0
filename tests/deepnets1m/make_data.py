"""Makes tests/data/deepnets1m from files of DeepNets-1M: ``python -m tests.deepnets1m.make_data FOLDER``.

``FOLDER`` holds ``deepnets1m_eval`` and ``deepnets1m_search`` (``.hdf5`` and ``_meta.json``), as the data set's own
generator wrote them. ``networks.json`` keeps of each network its description and the digest of its graph. The HDF5 and
meta files keep some networks of each split whole, for tests of the reader.
"""

import json
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.graphs.digest import stored_digest

OUT = Path(__file__).resolve().parents[1] / "data/deepnets1m"
WHOLE = {"val": 10, "test": 3, "wide": 2, "deep": 2, "dense": 2, "bnfree": 2, "search": 3}
"""How many networks of a split the test files hold whole: tests of the reader's errors need ten in one split."""


def main(folder: Path) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    described: dict[str, list[dict[str, Any]]] = {}
    for name in ("eval", "search"):
        meta = json.loads((folder / f"deepnets1m_{name}_meta.json").read_text())
        with h5py.File(folder / f"deepnets1m_{name}.hdf5") as source:
            for split, content in meta.items():
                graphs = [source[f"{split}/{index}"] for index in range(len(content["nets"]))]
                described[split] = [
                    {**net, "sha256": _digest(graph, content["meta"])}
                    for net, graph in zip(content["nets"], graphs, strict=True)
                ]
            with h5py.File(OUT / f"deepnets1m_{name}.hdf5", "w") as file:
                file.attrs["title"] = source.attrs["title"]
                for split, content in meta.items():
                    chosen = _spread_by_size(content["nets"], WHOLE[split])
                    content["nets"] = [content["nets"][index] for index in chosen]
                    for place, index in enumerate(chosen):
                        for array in ("adj", "nodes"):
                            values = source[f"{split}/{index}/{array}"][()]
                            file.create_dataset(f"{split}/{place}/{array}", data=values, compression="gzip")
        (OUT / f"deepnets1m_{name}_meta.json").write_text(json.dumps(meta, separators=(",", ":")))
    lines = (f"{json.dumps(split)}: [\n{_rows(nets)}\n]" for split, nets in described.items())
    (OUT / "networks.json").write_text("{" + ",\n".join(lines) + "}\n")


def _digest(graph: h5py.Group, tables: dict[str, dict[str, str]]) -> str:
    primitives, names = tables["primitives_ext"], tables["unique_op_names"]
    rows = [(primitives[str(p)].removesuffix("_1x1"), int(c), names[str(name)]) for p, c, name in graph["nodes"][()]]
    return stored_digest(graph["adj"][()], rows)


def _spread_by_size(nets: list[dict[str, Any]], n: int) -> list[int]:
    """The indices of n networks, from the smallest to the largest, in the file's order."""
    by_size = np.argsort([net["num_nodes"] for net in nets], kind="stable")
    return sorted(by_size[np.linspace(0, len(nets) - 1, n).round().astype(int)].tolist())


def _rows(nets: list[dict[str, Any]]) -> str:
    return ",\n".join(json.dumps(net, separators=(",", ":")) for net in nets)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
