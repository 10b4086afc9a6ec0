"""Every block of a shell and of Python in the documentation is run, but for those that a marker in the text excepts.

Budgets are small: ``plans.py`` says what is substituted. The blocks of docs/nni.md are run in the tests of NNI, and
docs/optuna.md in ``test_optuna.py``, which looks at what it leaves behind.
"""

import matplotlib
import optuna
import pytest

from tests.docs.pages import PAGES, ROOT, blocks
from tests.docs.plans import PLANS
from tests.docs.running import run_page

SLOW = (
    *("start.md", "deepnets1m.md", "detection.md", "generation.md", "hypernetworks.md", "images.md", "latency.md"),
    *("machines.md", "own-labels.md", "own-space.md", "predictors.md", "searching.md", "training.md"),
)
"""Pages whose blocks take more than 15 s."""


def _name(page):
    return page.relative_to(ROOT).as_posix()


def _parameter(page):
    return pytest.param(page, id=_name(page), marks=[pytest.mark.slow] if page.name in SLOW else [])


@pytest.mark.parametrize("page", [_parameter(page) for page in PAGES if page.name != "optuna.md"])
def test_the_blocks_of_a_page_run(page, tmp_path, commands, monkeypatch):
    matplotlib.use("Agg")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    run_page(page, tmp_path, commands)


def test_all_pages_have_a_plan_and_all_their_languages_are_known():
    assert {_name(page) for page in PAGES} == set(PLANS)
    languages = {
        (_name(page), block.language) for page in PAGES for block in blocks(page) if not block.language.startswith("{")
    }
    assert {language for _, language in languages} <= {"", "sh", "python", "bash", "yaml"}
    assert {page for page, language in languages if language in ("bash", "yaml")} <= {"docs/nni.md"}


def test_most_blocks_run():
    runs, skipped = sum(plan.runs for plan in PLANS.values()), sum(sum(p.skipped.values()) for p in PLANS.values())
    assert runs > 1.5 * skipped, f"{runs} blocks run, {skipped} do not"
