"""A matplotlib figure as an inline SVG element of a page: its text is text, its colours and its font are the page's."""

import io
import re
from collections.abc import Mapping

import matplotlib
from markupsafe import Markup, escape
from matplotlib.figure import Figure

__all__ = ["inline_svg"]

# With a date in it, the same page would have other bytes each time.
_NO_METADATA = {"Creator": None, "Date": None, "Format": None, "Type": None}


def inline_svg(figure: Figure, name: str, label: str, colours: Mapping[str, str]) -> Markup:
    """The figure as an SVG element.

    Args:
        figure: the figure.
        name: that no other figure of the page has; the identifiers inside begin with it.
        label: what the figure shows, for people who do not see it.
        colours: names and hexadecimal values of the figure's colours. A value is exchanged for ``var(--NAME)``, which
            the page defines, for light and for dark surroundings.

    Returns:
        The element, of the figure's size: a point is 4/3 pixels.
    """
    buffer = io.StringIO()
    # Text as text: it can be read aloud, found, copied, and has the page's font. The salt makes identifiers repeat.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata=_NO_METADATA)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    opening = re.search(r'viewBox="[\d.]+ [\d.]+ ([\d.]+) ([\d.]+)"', svg)
    assert opening is not None
    width, height = (round(float(value) * 4 / 3) for value in opening.groups())
    head = f'<svg {opening[0]} width="{width}" height="{height}" role="img" aria-label="{escape(label)}">'
    svg = head + svg[svg.index(">") + 1 :]
    svg = re.sub(r'(\bid="|xlink:href="#|url\(#)', rf"\g<1>{name}-", svg).replace("xlink:href", "href")
    svg = re.sub(r"font: ([^';\"]*?px) [^;\"]*", r"font: \1 var(--font)", svg)
    for colour, value in colours.items():
        svg = svg.replace(value, f"var(--{colour})")
    return Markup(svg)
