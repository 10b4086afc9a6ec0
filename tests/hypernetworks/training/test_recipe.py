"""Recipes, and the widths of networks."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tart_nas.architecture import Architecture
from tart_nas.errors import SettingError
from tart_nas.genotype import Genotype
from tart_nas.hypernetworks.training import GHN_PRESETS, WIDTHS, GHNRecipe
from tart_nas.layout import parameter_count


def test_the_learning_rate_of_ghn2_falls_twice():
    recipe = GHN_PRESETS["ghn2-cifar10"].recipe
    assert [recipe.lr_at(epoch) for epoch in (0, 199, 200, 249, 250, 299)] == pytest.approx(
        [1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5]
    )


def test_the_learning_rate_of_ghn3_is_that_of_the_published_code():
    recipe = GHN_PRESETS["ghn3-imagenet"].recipe
    assert [recipe.lr_at(epoch) for epoch in range(7)] == pytest.approx(
        [1e-5, 1.075e-4, 2.05e-4, 3.025e-4, 3.998e-4, 4e-4, 3.998e-4], rel=1e-4
    )


def test_no_epoch_has_a_learning_rate_of_zero():
    for epochs in range(1, 40):
        if epochs in (5, 6):
            with pytest.raises(SettingError, match=rf"at least 7 `epochs`.* got {epochs}: .* learning rate is 0"):
                GHNRecipe(epochs=epochs, schedule="cosine-warmup")
        else:
            recipe = GHNRecipe(epochs=epochs, schedule="cosine-warmup")
            assert min(recipe.lr_at(epoch) for epoch in range(epochs)) > 1e-6
    assert GHNRecipe(epochs=7, schedule="cosine-warmup", lr=1e-3).lr_at(4) == pytest.approx(5e-4)


def test_presets_are_those_of_the_papers():
    by_kind = {name: preset.recipe for name, preset in GHN_PRESETS.items()}
    assert {name: recipe.meta_batch for name, recipe in by_kind.items() if "small" not in name} == {
        "ghn1-cifar10": 1,
        "ghn2-cifar10": 8,
        "mlp-cifar10": 8,
        "ghn3-cifar10": 8,
        "ghn1-imagenet": 1,
        "ghn2-imagenet": 8,
        "mlp-imagenet": 8,
        "ghn3-imagenet": 8,
    }
    assert GHN_PRESETS["ghn3-imagenet"].config.max_shape == (64, 64, 16, 16)
    for recipe in by_kind.values():
        assert GHNRecipe.from_dict(recipe.to_dict()) == recipe


@pytest.mark.parametrize(
    ("setting", "value"),
    [("epochs", 0), ("batch_size", 1), ("lr", 0), ("optimizer", "sgd"), ("widths", "wide"), ("label_smoothing", 1)],
)
def test_settings_out_of_range(setting, value):
    with pytest.raises(SettingError, match=f"`{setting}`"):
        GHNRecipe(**{setting: value})
    with pytest.raises(SettingError, match="Unknown setting 'warmth'"):
        GHNRecipe.from_dict({"warmth": 1})


CELL = (("sep_conv_3x3", 0), ("sep_conv_3x3", 1))
NETWORK = Architecture(Genotype(CELL, (2,), CELL, (2,)), n_cells=6, C=32, C_mult=1, glob_avg=True, fc_layers=2)


@pytest.mark.parametrize(
    ("changes", "channels", "features"),
    [
        ({"n_cells": 6}, 128, 512),  # 66,026 parameters: all widths
        ({"n_cells": 9}, 64, 256),
        ({"n_cells": 12}, 48, 256),
        ({"n_cells": 13}, 32, 256),
        ({"glob_avg": False}, 32, 256),
        ({"genotype": Genotype((("conv_5x5", 0), CELL[1]), (2,), CELL, (2,))}, 32, 256),
    ],
)
def test_widths_go_by_the_size_of_a_network(changes, channels, features):
    architecture = replace(NETWORK, **changes)
    rng = np.random.default_rng(0)
    drawn = [WIDTHS["deepnets1m"].draw(architecture, 32, rng) for _ in range(300)]
    assert max(network.C for network in drawn) == channels
    assert max(network.fc_dim for network in drawn) == features
    assert all(network.fc_dim <= 256 for network in drawn if network.C > 64)
    assert {network.genotype for network in drawn} == {architecture.genotype}


def test_wider_networks_of_ghn3():
    assert 0.8e6 < parameter_count(large := replace(NETWORK, C_mult=3)) < 2e6
    rng = np.random.default_rng(0)
    assert {WIDTHS["deepnets1m"].draw(large, 224, rng).C for _ in range(50)} == {32}
    assert {WIDTHS["wider"].draw(large, 224, rng).C for _ in range(50)} == {32, 48, 64, 80}


def test_the_stem_of_small_networks_may_keep_more_of_a_large_image():
    """As published for GHN-3 on ImageNet: where a network may have all widths, and its stem pools."""
    small = replace(NETWORK, n_cells=6, stem_pool=True)
    rng = np.random.default_rng(0)
    drawn = [WIDTHS["wider"].stem_stride(small, 224, rng) for _ in range(200)]
    assert set(drawn) == {2, 4}
    assert 70 < drawn.count(2) < 130
    attention = Genotype((("msa", 0), CELL[1]), (2,), CELL, (2,))  # has patches in place of a stem
    unfit: list[dict[str, Any]] = [{"stem_pool": False}, {"stem_type": 1}, {"n_cells": 9}, {"glob_avg": False}]
    for changes in (*unfit, {"genotype": attention}):
        assert WIDTHS["wider"].stem_stride(replace(small, **changes), 224, rng) is None
    assert WIDTHS["wider"].stem_stride(small, 32, rng) is None
    assert WIDTHS["deepnets1m"].stem_stride(small, 224, rng) is None
