from dataclasses import replace

import pytest
import torch

from tart_nas.architecture import Architecture
from tart_nas.errors import ArchitectureError, SettingError
from tart_nas.layout import network_layout
from tart_nas.networks.cell import Cell
from tart_nas.networks.stems import stem_modules


def outputs_of(stem, cells, images):
    """What the stem and the cells give, one after the other."""
    if "stem" in stem:
        outputs = [stem["stem"](images)] * 2
    elif "pos_enc" in stem:
        outputs = [stem["pos_enc"](stem["stem0"](images))] * 2
    else:
        outputs = [stem["stem0"](images)]
        outputs.append(stem["stem1"](outputs[0]))
    for cell in cells:
        outputs.append(cell(*outputs[-2:]))
    return outputs


@pytest.mark.parametrize("sizes", [(8, 15, 28, 32, 33, 127), (128, 224, 225)])
def test_the_sizes_are_those_of_the_modules(spread, sizes):
    live = [replace(a, C=8, glob_avg=False) for _, a in spread if all(a.live_cells())]
    stems = {(a.is_vit, a.stem_type, a.stem_pool, a.preproc): a for a in live}
    assert len(stems) >= 6
    for architecture in stems.values():
        for size in sizes:
            layout = network_layout(architecture, 10, size)
            stem = stem_modules(layout.stem, torch.nn.BatchNorm2d)
            if size == sizes[0]:
                cells = [Cell(cell, torch.nn.BatchNorm2d) for cell in layout.cells]
            with torch.no_grad():
                *_, before, last = outputs_of(stem, cells, torch.randn(2, 3, size, size))
            assert layout.features == last[0].numel()
            assert layout.cells[-1].C_out == last.shape[1]
            assert layout.cells[-1].channels_in[1] == before.shape[1]


@pytest.mark.parametrize(("size", "expected"), [(32, (32, 32, 16, 11)), (127, (127, 127, 64, 43))])
def test_small_images_keep_their_resolution_in_the_stem(darts_v2, spread, size, expected):
    assert stem_sizes(darts_v2, spread, size) == expected


@pytest.mark.parametrize(("size", "expected"), [(128, (32, 32, 16, 8)), (224, (56, 56, 28, 14))])
def test_large_images_do_not(darts_v2, spread, size, expected):
    assert stem_sizes(darts_v2, spread, size) == expected


def stem_sizes(genotype, spread, size):
    """Of stem type 0 with a kernel of 3 and of 7, of stem type 1, and of a vision transformer."""
    vit = next(a for _, a in spread if a.is_vit)
    plain = Architecture(genotype, n_cells=5)
    architectures = (plain, replace(plain, ks=7), replace(plain, stem_type=1), vit)
    return tuple(network_layout(a, 10, size).stem.size for a in architectures)


@pytest.mark.parametrize("value", [0, -1, 7, 32.0, True, "32", None])
def test_an_image_size_that_is_none_is_refused(darts_v2, value):
    with pytest.raises(SettingError, match="`image_size` must be a whole number of at least 8, but got"):
        network_layout(Architecture(darts_v2, n_cells=8), 10, value)


@pytest.mark.parametrize("value", [0, -3, 10.0, True, None])
def test_a_number_of_classes_that_is_none_is_refused(darts_v2, value):
    with pytest.raises(SettingError, match="`num_classes` must be a whole number of at least 1, but got"):
        network_layout(Architecture(darts_v2, n_cells=8), value, 32)


def test_one_channel_cannot_be_halved(darts_v2):
    with pytest.raises(ArchitectureError, match="`C` must be at least 2 to build a network, but got 1"):
        network_layout(Architecture(darts_v2, n_cells=8, C=1), 10, 32)
