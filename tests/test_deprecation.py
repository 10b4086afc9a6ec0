import pytest

import tart_nas.deepnets1m.emulation
import tart_nas.drawing
import tart_nas.graphs
import tart_nas.sgd
import tart_nas.training
from tart_nas.images import load_images


def test_old_names_of_a_module_are_the_new_ones_and_warn():
    for name in tart_nas.sgd.__all__:
        with pytest.warns(DeprecationWarning, match=rf"tart_nas.sgd.{name} .*: use tart_nas.training.{name}") as seen:
            found = getattr(tart_nas.sgd, name)
        assert found is getattr(tart_nas.training, name)
        assert seen[0].filename == __file__
    with pytest.warns(DeprecationWarning, match="sgd.train") as seen:
        from tart_nas.sgd import train
    assert train is tart_nas.training.train
    assert seen[0].filename == __file__


@pytest.mark.parametrize(
    ("name", "home"), [("draw_cells", tart_nas.drawing), ("stored_rows", tart_nas.deepnets1m.emulation)]
)
def test_what_draws_and_emulates_graphs_was_among_them(name, home):
    with pytest.warns(DeprecationWarning, match=f"tart_nas.graphs.{name} is deprecated") as seen:
        found = getattr(tart_nas.graphs, name)
    assert found is getattr(home, name)
    assert seen[0].filename == __file__


def test_other_names_are_missing_as_ever():
    with pytest.raises(AttributeError, match="has no attribute 'adam'"):
        tart_nas.sgd.adam  # noqa: B018


def test_the_old_name_of_flippable():
    images = load_images("digits", train_images=20)
    with pytest.warns(DeprecationWarning, match=r"ImageData.flippable") as seen:
        assert images.mirrorable is images.flippable is False
    assert seen[0].filename == __file__
