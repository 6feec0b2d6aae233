"""The server's own resources: pages, the bundles, a health check.

Rules:

1. Every file is read once, when a `Site` is made; `respond` is a dictionary lookup. Any other target is not found, so
   no path can be traversed. Folders of the configuration are served by `files.py`.
2. `respond` accepts anything and never raises.
3. Everything is revalidated by its ETag: after an upgrade no browser runs an old client.
4. What is worth compressing is compressed once, when the `Site` is made (`resources.py`).
"""

from __future__ import annotations

import re
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .rendering import INDEX, LISTING, PAGES, TEMPLATES, render_index, render_listing
from .resources import TYPES, VARY, Resource, matches, resource_of, takes_gzip
from .responses import EVERYWHERE, OWN_PAGE, Response, complete, error_response

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .rendering import ServiceInfo
    from .resources import Headers

BUNDLES: Final = tuple(
    f"sharedstate.{name}.js"
    for name in ("es", "es.min", "iife", "iife.min", "core.es", "core.es.min", "timeline.es")
)
"""The JavaScript client as files: ES module and global variable, readable and minified; the lean core; timelines."""

COMPANIONS: Final = (
    *(f"{name}.map" for name in BUNDLES),
    "sharedstate.es.d.ts",
    "sharedstate.core.es.d.ts",
    "sharedstate.timeline.es.d.ts",
)
"""Optional files for tools: source maps and types of the bundles."""

PACKAGE: Final = Path(__file__).parents[1]

_TEXT: Final = b"text/plain; charset=utf-8"
_SHARED: Final[Headers] = [
    (b"Access-Control-Allow-Origin", b"*"),
    (b"Cross-Origin-Resource-Policy", b"cross-origin"),
]
_PREFLIGHT: Final[Headers] = [
    (b"Access-Control-Allow-Methods", b"GET, HEAD, OPTIONS"),
    (b"Access-Control-Allow-Headers", b"*"),
    (b"Access-Control-Max-Age", b"86400"),
]


class Site:
    """The server's HTTP side, for the services it has.

    Args:
        services: in the order of the configuration.
        libs: the folder of the bundles; by default the package's own, or the source tree's.

    Raises:
        OSError: a file of the package cannot be read. Missing bundles are not an error but answered with 404.
    """

    def __init__(self, services: Sequence[ServiceInfo], *, libs: Path | None = None) -> None:
        libs = libs or _find_libs()
        bundles = {
            name: resource_of(name, (libs / name).read_bytes(), _SHARED)
            for name in (*BUNDLES, *COMPANIONS)
            if (libs / name).is_file()
        }
        self._resources = {"/healthz": Resource(b"ok\n", [(b"Content-Type", _TEXT)])}
        self._resources.update((f"/libs/{name}", bundle) for name, bundle in bundles.items())
        for file in sorted(PAGES.iterdir()):
            if file.suffix in TYPES and file.name not in TEMPLATES:
                self._resources[f"/pages/{file.name}"] = resource_of(
                    file.name, file.read_bytes(), OWN_PAGE
                )
        if bundles:
            listing = render_listing(bundles).encode()
            self._resources["/libs/"] = resource_of(LISTING, listing, [*OWN_PAGE, *_SHARED])
            self._resources["/libs"] = self._resources["/libs/"]
        page = render_index(services, complete=bundles.keys() >= set(BUNDLES))
        self._resources["/pages/"] = resource_of(INDEX, page.encode(), OWN_PAGE)
        self._resources["/"] = self._resources["/pages/"]

    def keeps(self, target: str) -> bool:
        """Return whether a target is reserved for the site, whatever folders are served; `/` is not."""
        path = path_of(target)
        return path != "/" and path in self._resources

    def respond(
        self, method: str, target: str, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> Response:
        """Answer one request without an upgrade; a body is ignored.

        Args:
            method: as received; methods are case-sensitive (RFC 9110, section 9.1).
            target: as received, decoded as Latin-1: a path, or an absolute `http` or `https` URL. A query is ignored,
                percent-encoding is decoded.
            headers: request headers, names in any case. Only `If-None-Match`, `Accept` and `Accept-Encoding` count.
        """
        given = list(headers)
        path = path_of(target)
        if path is None:
            return error_response(method, 400, "The request's target is not a path.", given)
        shared = path == "/libs" or path.startswith("/libs/")
        resource = self._resources.get(path)
        if shared and method == "OPTIONS":
            return Response(204, [*_SHARED, *_PREFLIGHT, _allow(shared=True)])
        if resource is None:
            extra = _SHARED if shared else []
            return error_response(method, 404, self._not_found(path), given, extra)
        if method not in {"GET", "HEAD"}:
            problem = "Only GET and HEAD are supported here."
            extra = [*_SHARED, _allow(shared=True)] if shared else [_allow(shared=False)]
            return error_response(method, 405, problem, given, extra)
        vary = [VARY] if resource.gzipped else []
        if resource.gzipped and takes_gzip(given):
            resource = resource.gzipped
        if resource.etag and matches(resource.etag, given):
            unchanged = [(b"ETag", resource.etag), *vary, *EVERYWHERE]
            return Response(304, [*unchanged, *(_SHARED if shared else [])])
        return complete(method, 200, resource.content, resource.headers)

    def _not_found(self, path: str) -> str:
        if not path.startswith("/libs/"):
            return "There is nothing here. The server's page is at /pages/."
        if path.removeprefix("/libs/") in BUNDLES:
            return "The JavaScript bundles have not been built in the source tree of this server."
        return f"There is no such bundle. There are {', '.join(BUNDLES)}."


def _find_libs() -> Path:
    """Return the folder of the bundles: in the installed package, or else in the source tree."""
    return next(
        (folder for folder in (PACKAGE / "libs", PACKAGE.parents[1] / "libs") if folder.is_dir()),
        PACKAGE / "libs",
    )


def _allow(*, shared: bool) -> tuple[bytes, bytes]:
    return b"Allow", b"GET, HEAD, OPTIONS" if shared else b"GET, HEAD"


def path_of(target: str) -> str | None:
    """Return the decoded path of a request target (RFC 9112, section 3.2), or None if it has none."""
    target = re.split(r"[?#]", target, maxsplit=1)[0]
    absolute = re.match(r"https?://[^/]+", target, re.IGNORECASE)
    if absolute:
        target = target[absolute.end() :] or "/"
    return urllib.parse.unquote(target) if target.startswith("/") else None
