"""Pages, and pieces of them, from the templates beside this file.

Templates are given plain values: the modules ``*_content`` work out what is shown, the templates where it stands. A
page is one file; its figures are inline SVG whose text is text.
Jinja escapes whatever comes from users: folders, commands, names of classes and studies. Pages need no other file, no
script and no network.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

__all__ = ["render"]


def render(template: str, content: Mapping[str, Any]) -> str:
    """A page or a part of one from a template of this package."""
    written = datetime.now(UTC).isoformat(sep=" ", timespec="seconds").replace("+00:00", " UTC")
    return _environment().get_template(template).render(content, version=version("tart-nas"), written=written)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("tart_nas.runs"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
