"""A page of the report as a test reads it: its tags, its text, and what is seen before anything is opened."""

from html.parser import HTMLParser

VOID = {"meta", "br", "hr", "img", "input", "link", "path", "rect", "use"}


class Page(HTMLParser):
    """Tags with their attributes, the text between them, the scripts.

    With `folded=False` text inside a closed `<details>` is left out, but for its summary, and so are drawings:
    what remains is what a reader sees before opening anything.
    """

    def __init__(self, text: str, folded: bool = True) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.scripts: list[str] = []
        self.folded = folded
        self.inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.inside.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag) -> None:
        while self.inside and tag in self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data) -> None:
        if "script" in self.inside:
            self.scripts.append(data)
        elif "style" not in self.inside and (self.folded or self.seen()):
            self.text += data

    def seen(self) -> bool:
        """Whether text at this place is seen before anything is opened."""
        within = [tag for tag in self.inside if tag in ("details", "summary", "svg")]
        return within in ([], ["details", "summary"])

    @property
    def words(self) -> int:
        """How many words the text has."""
        return len(self.text.split())
