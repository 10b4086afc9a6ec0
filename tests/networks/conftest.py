from typing import Any

import pytest

from tart_nas.architecture import Architecture
from tart_nas.published import DARTS


@pytest.fixture(scope="session")
def darts_v2():
    return DARTS.genotype


@pytest.fixture(scope="session")
def nets(generator_nets):
    """The 300 nets: (split, description)."""
    return [(split, net) for split, nets in generator_nets.items() for net in nets]


@pytest.fixture(scope="session")
def spread(nets):
    """Small nets that have every feature between them: (net as in the file, its architecture)."""
    chosen: list[tuple[dict[str, Any], Architecture]] = []
    seen: set[Any] = set()
    for split, net in sorted(nets, key=lambda item: item[1]["n_cells"] * len(item[1]["genotype"]["normal"])):
        architecture = Architecture.from_dict(net)
        features = _features(split, architecture)
        if features - seen:
            chosen.append((net, architecture))
            seen |= features
    return chosen


def _features(split, a):
    cells = {"normal": a.genotype.normal, "reduce": a.genotype.reduce}
    settings = ("stem_type", "stem_pool", "norm", "preproc", "glob_avg", "fc_layers", "C_mult", "ks", "is_vit")
    found = {split} | {(name, getattr(a, name)) for name in settings}
    found |= {(cell, op, index < 2) for cell, pairs in cells.items() for op, index in pairs}
    found.add(("dead cells", all(a.live_cells())))
    return found
