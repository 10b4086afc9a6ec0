"""Reading a page as a browser would: its elements, its text, what it asks other places for."""

from html.parser import HTMLParser

_VOID = {"meta", "br", "link", "img", "input", "hr", "base"}
_ASKING = {"src", "href", "xlink:href", "action", "data", "poster", "srcset", "background", "formaction"}


class Page(HTMLParser):
    """A page that has been read; tags that are not closed in order raise.

    Attributes:
        elements: name and attributes of each element, in order.
        text: all text that is not style.
        svg_text: the text inside figures, one string for each text element.
        ids: all identifiers.
        asked: what the page would load or run.
    """

    def __init__(self, html):
        super().__init__()
        self.elements, self.ids, self.asked, self.svg_text = [], [], [], []
        self.text, self.styles = "", ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.elements.append((tag, values))
        if tag not in _VOID:
            self._open.append(tag)
        if tag == "text":
            self.svg_text.append("")
        if "id" in values:
            self.ids.append(values["id"])
        self.asked += [(name, value) for name, value in attributes if name in _ASKING and not value.startswith("#")]
        self.asked += [(name, value) for name, value in attributes if name.startswith("on")]
        self.styles += values.get("style") or ""
        if tag in ("script", "iframe", "object", "embed", "link", "base"):
            self.asked.append((tag, values))

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        if "style" in self._open:
            self.styles += data
            return
        self.text += data
        if "text" in self._open:
            self.svg_text[-1] += data
