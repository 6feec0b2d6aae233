"""What a site serves, and an answer as a browser reads it."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final

from sharedstate_anyio.http.rendering import ServiceInfo
from sharedstate_anyio.http.site import BUNDLES, COMPANIONS

if TYPE_CHECKING:
    from sharedstate_anyio.http.responses import Response

ITEMS: Final = ServiceInfo("items", "SQLite file")
MEMORY: Final = ServiceInfo("mitems", "SQLite, in memory", in_memory=True)
PAGES: Final = [
    "/",
    "/pages/page.css",
    "/pages/demo.js",
    "/pages/favicon.svg",
    "/pages/cursors.html",
    "/pages/clock.html",
    "/pages/minimal.html",
    "/pages/todo.html",
]
LIBS: Final = [f"/libs/{name}" for name in (*BUNDLES, *COMPANIONS)]


def header(response: Response, name: bytes) -> bytes | None:
    """Return a header of an answer, which may be there once at most."""
    found = [value for key, value in response.headers if key == name]
    assert len(found) <= 1, f"{name!r} is there twice"
    return found[0] if found else None


class Page(HTMLParser):
    """What an HTML page holds, as a browser would read it."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(response.body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.words += " " if tag == "td" else ""

    def handle_data(self, data: str) -> None:
        self.words += data

    def path(self) -> str | None:
        """Return the collection of the demo."""
        return next(attrs["data-path"] for tag, attrs in self.tags if tag == "body")
