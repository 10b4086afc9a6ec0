"""The documentation site builds without a warning; its links lead somewhere; every public name has a page."""

import inspect
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from filelock import FileLock

from tests.docs.pages import ROOT

pytestmark = pytest.mark.slow

NOT_PUBLIC = ("cli", "encoders", "experiments", "predictors.models", "trials")  # what a user imports nothing of


@dataclass
class Page(HTMLParser):
    """What links need to know of a page."""

    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids |= {name for name in (values.get("id"), values.get("name")) if name}
        link = values.get("href") if tag in ("a", "link") else values.get("src")
        if link:
            self.links.append(link)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built anew."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", str(folder / "doctrees")]
    # Sphinx writes the pages of names beside the others: two processes of pytest-xdist must not build at once.
    with FileLock(tmp_path_factory.getbasetemp().parent / "site.lock"):
        done = subprocess.run([*command, str(ROOT / "docs"), str(folder / "html")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    found = {}
    for path in sorted(site.rglob("*.html")):
        found[path] = Page()
        found[path].feed(path.read_text(encoding="utf-8"))
    return found


def test_links_within_the_site_lead_to_files_and_to_places_in_them(pages):
    assert len(pages) > 100
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists() or (parts.fragment and target in pages and not _has(pages[target], parts.fragment)):
                broken.append(f"{path.name}: {link}")
    assert broken == []


def _has(page: Page, fragment: str) -> bool:
    return unquote(fragment) in page.ids


def test_links_out_of_the_site_are_web_addresses(pages):
    links = {link for page in pages.values() for link in page.links if urlsplit(link).scheme not in ("", "data")}
    assert len(links) > 10
    assert [link for link in links if urlsplit(link).scheme != "https" or "." not in urlsplit(link).netloc] == []


def _packages() -> list[str]:
    folders = sorted(init.parent for init in ROOT.glob("tart_nas/**/__init__.py"))
    folders += sorted(
        init.parent for top in ("search_spaces", "strategies") for init in ROOT.glob(f"{top}/**/__init__.py")
    )
    names = {".".join(folder.relative_to(ROOT).parts).removeprefix("tart_nas.") for folder in folders} - {"tart_nas"}
    public = sorted(name for name in names if not name.startswith(NOT_PUBLIC))
    return ["tart_nas", "tart_nas.nni", "tart_nas.optuna", *(f"tart_nas.{name}" for name in public)]


def test_every_public_name_has_a_page_of_its_own(site, pages):
    from sphinx.util.inventory import InventoryFile  # here, since it needs the extra `docs`

    entries = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="").data
    documented = {
        name: item.uri for role, items in entries.items() if role.startswith("py:") for name, item in items.items()
    }
    missing = []
    for package in _packages():
        for name in import_module(package).__all__:
            pages_of_it = [uri for path, uri in documented.items() if path.rpartition(".")[2] == name]
            if not name.startswith("__") and not any((site / uri.split("#")[0]).exists() for uri in pages_of_it):
                missing.append(f"{package}.{name}")
    assert missing == []


def test_the_reference_has_the_options_of_all_commands_and_the_cards_of_all_predictors(pages):
    texts = {path.stem: path.read_text(encoding="utf-8") for path in pages}
    assert {"tart-nas-search", "tart-nas-data-generate"} <= next(
        p for path, p in pages.items() if path.stem == "cli"
    ).ids
    assert "--min-distance" in texts["cli"]
    assert "Kendall tau" in texts["model-cards"]
    assert texts["model-cards"].count("Its scope") >= 3


def test_a_docstring_is_shown_with_its_arguments(pages):
    page = next(path for path in pages if path.stem == "tart_nas.search")
    text = page.read_text(encoding="utf-8")
    assert all(name in text for name in inspect.signature(import_module("tart_nas").search).parameters)
