"""Links of the documentation resolve, and its lines fit."""

import re

import pytest

from tests.docs.pages import PAGES, ROOT

TEXTS = [
    *PAGES,
    ROOT / "CHANGELOG.md",
    ROOT / "tests/data/README.md",
    ROOT / "tart_nas/images/cifar10_sample/README.md",
]
LINK = re.compile(r"\]\(([^)\s]+)\)")
WEB = re.compile(r"https?://")


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_relative_links_lead_to_files(page):
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not WEB.match(link)]
    made_by_the_site = ("generated/", "notebooks/")  # without the suffix: test_site.py follows these in the built pages
    files = [link.split("#")[0] for link in links if not link.startswith(made_by_the_site)]
    missing = [file for file in files if not (page.parent / file).exists()]
    assert missing == []


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_lines_but_those_of_tables_have_at_most_120_characters(page):
    lines = enumerate(page.read_text(encoding="utf-8").splitlines(), start=1)
    assert [number for number, line in lines if len(line) > 120 and not line.startswith("|")] == []
