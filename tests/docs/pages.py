"""The pages of the documentation and their blocks of code."""

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["LANGUAGES", "MARKERS", "PAGES", "ROOT", "Block", "blocks"]

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md")])

MARKERS = (
    *(
        "Needs the network",
        "Needs a GPU",
        "Needs a database",
        "Needs NNI",
        "Needs Ray",
        "Needs Lightning",
        "Needs Dask",
    ),
    "Takes hours",
)
"""What stands in italics, with a colon, in the line above a block that cannot run in every test."""

LANGUAGES = ("sh", "python")
"""Of blocks that are run. Those in ``bash`` and ``yaml`` are parts of NNI experiments, which the tests of NNI run."""

_FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARKER = re.compile(r"\*((?:Needs|Takes) [^*]*):\*")


@dataclass(frozen=True)
class Block:
    """A block of code.

    Args:
        page: where it stands.
        line: the number of its first line, from 1.
        language: what stands behind its fence: a language, a directive of MyST such as ``{toctree}``, or nothing.
        marker: the one of :data:`MARKERS` above it; None for a block that is run.
        text: its lines.
    """

    page: Path
    line: int
    language: str
    marker: str | None
    text: str


def blocks(page: Path) -> list[Block]:
    """The blocks of a page in their order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for fence in _FENCE.finditer(text):
        above = text[: fence.start()].splitlines()
        marker = _MARKER.fullmatch(above[-1]) if above else None
        found.append(Block(page, len(above) + 2, fence[1], marker and marker[1], fence[2]))
    markers = _MARKER.findall(text)
    assert markers == [block.marker for block in found if block.marker], f"{page}: a marker that is above no block"
    assert set(markers) <= set(MARKERS), f"{page}: an unknown marker among {markers}"
    return found
