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
    missing = [link for link in links if not (page.parent / link.split("#")[0]).exists()]
    assert missing == []


def test_the_readme_links_to_every_page():
    linked = {(ROOT / link).resolve() for link in LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))}
    assert {page for page in PAGES if page.name != "README.md"} <= linked


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_lines_but_those_of_tables_have_at_most_120_characters(page):
    lines = enumerate(page.read_text(encoding="utf-8").splitlines(), start=1)
    assert [number for number, line in lines if len(line) > 120 and not line.startswith("|")] == []
