"""The pages rendered for this server: the index with its services, the list of bundles."""

from __future__ import annotations

import html
import re
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .resources import Resource

PAGES: Final = Path(__file__).parents[1] / "pages"
"""The folder of the pages with their scripts, styles and templates."""

INDEX: Final = "index.html"
LISTING: Final = "libs.html"
ERROR: Final = "error.html"
TEMPLATES: Final = frozenset([INDEX, LISTING, ERROR])
"""Pages with placeholders."""

_NOTICE: Final = (
    '<p class="notice" role="alert">The JavaScript bundles of this server have not been built, '
    "so the demo below cannot work.</p>"
)
_MEMORY: Final = "Kept in memory: gone when the server stops."


class ServiceInfo(NamedTuple):
    """What the index page shows anybody of a service.

    Attributes:
        name: its segment in a path.
        store: what stores its items, in a few words.
        in_memory: whether it forgets everything when the server stops; the page's demo prefers such a service.
    """

    name: str
    store: str
    in_memory: bool = False


def render_index(services: Sequence[ServiceInfo], *, complete: bool) -> str:
    """Return the page of `/`: the services and the demo.

    Args:
        services: in the order in which they are shown.
        complete: whether all bundles exist, so that the demo can work.
    """
    rows = [
        f'<tr><th scope="row"><code>{html.escape(service.name)}</code></th>'
        f"<td>{html.escape(service.store)}</td>"
        f"<td><code>/<i>app</i><wbr>/{html.escape(service.name)}<wbr>/<i>collection</i></code></td></tr>"
        for service in services
    ]
    shown = next((service for service in services if service.in_memory), None)
    shown = shown or next(iter(services), None)
    values: Mapping[str, str] = {
        "services": "\n".join(rows),
        "path": html.escape(f"/demo/{shown.name}/list") if shown else "",
        "service": urllib.parse.quote(shown.name, safe="") if shown else "",
        "memory": _MEMORY if shown and shown.in_memory else "",
        "notice": "" if complete else _NOTICE,
    }
    # In one pass, so that no value is mistaken for a placeholder.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], template(INDEX))


def render_listing(bundles: Mapping[str, Resource]) -> str:
    """Return the page of `/libs/`: the bundles, by name, with their sizes."""
    rows = []
    for name, bundle in bundles.items():
        large = f"{len(bundle.content):,}"
        small = f"{len(bundle.gzipped.content):,}" if bundle.gzipped else ""
        words = name.replace(".", ".<wbr>")  # a narrow screen may break the line here
        link = f'<a href="/libs/{name}"><code>{words}</code></a>'
        rows.append(f"<tr><th scope=row>{link}</th><td>{large}</td><td>{small}</td></tr>")
    return template(LISTING).replace("{{rows}}", "\n".join(rows))


def template(name: str) -> str:
    """Return a page, placeholders included."""
    return (PAGES / name).read_text("utf-8")
