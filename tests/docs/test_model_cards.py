"""The page of model cards is made without Sphinx, so that a new predictor without a card is noticed here."""

import runpy
from pathlib import Path

from tart_nas.predictors import pretrained

DOCS = Path(__file__).parents[2] / "docs"


def test_each_bundled_predictor_has_a_card():
    page = runpy.run_path(str(DOCS / "model_cards.py"))["model_cards_page"]()
    cards = {text.partition("\n")[0]: text for text in page.split("\n## ")[1:]}
    assert cards.keys() >= set(pretrained.names())
    for name in pretrained.names():
        assert "| fitted to | " in cards[name]
        assert "cross-validated Kendall tau" in cards[name]
        assert "### Its scope" in cards[name]
    updated = cards["darts-small"]
    assert "| fitted to | 718 labelled architectures, as `darts-cifar10` |" in updated
    assert "| updated with | 220 labelled architectures, `darts/labels.json`, `darts-repeat/labels.json`" in updated
    assert "| size of the labelled networks | n_cells 5, C 8 |" in updated
    assert "updated | 0.487 (5 folds: 0.442 to 0.524)" in updated
