import subprocess
import sys

import pytest

from tart_nas import choices
from tart_nas.deepnets1m import RELEASED_FILES
from tart_nas.predictors import Predictor
from tart_nas.predictors.models.regressor import regressor_class
from tart_nas.search_spaces import DeepNets1MSpace
from tart_nas.training import PROTOCOLS


@pytest.mark.parametrize("kind", choices.KINDS)
def test_every_kind_makes_a_predictor_and_says_whether_it_needs_labels(kind):
    assert Predictor(kind).metadata["kind"] == kind
    assert (kind in choices.UNLABELLED_KINDS) == (not regressor_class(kind).needs_labels)


@pytest.mark.parametrize("split", choices.SAMPLED_SPLITS)
def test_every_sampled_split_is_a_space(split):
    assert len(DeepNets1MSpace(split).sample(2, seed=0)) == 2


def test_tables_have_the_names_that_can_be_chosen():
    assert tuple(PROTOCOLS) == choices.PROTOCOL_NAMES
    assert tuple(file.name for file in RELEASED_FILES) == choices.RELEASED_FILE_NAMES
    assert set(choices.SPLITS) == {*choices.SAMPLED_SPLITS, "predefined"}
    assert choices.DEFAULT_SPACE in choices.SPACES


def test_they_are_imported_alone():
    code = "import sys, tart_nas.choices; print([name for name in ('torch', 'numpy', 'typer') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
