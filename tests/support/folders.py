"""Folders as people have them, for a server that serves them."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from sharedstate_anyio import parse_config, serve
from sharedstate_anyio.http import safe_open
from sharedstate_anyio.http.site import BUNDLES
from tests.support.services.servers import document

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import pytest

    from sharedstate_anyio import RunningServer

LARGE: Final = 3 * safe_open.PIECE_BYTES + 5
"""Bytes of `large.bin` in the folder: several pieces."""


def make_public(parent: Path) -> Path:
    """Return a folder such as people have, with things beside it and in it that are not for everybody."""
    folder = parent / "public"
    (folder / "docs" / "empty").mkdir(parents=True)
    (folder / "docs" / "deep" / "index.html").mkdir(parents=True)
    (folder / "docs" / "deep" / "index.html" / "index.html").touch()
    (folder / ".git").mkdir()
    (folder / "libs").mkdir()
    (parent / "secret.txt").write_text("secret")
    (parent / "public-too").mkdir()
    (parent / "public-too" / "secret.txt").write_text("secret")
    for name in ("index.html", "docs/index.html", "docs/a b.html"):
        (folder / name).write_text(f"<p>{name}")
    for name in (".env", ".git/config", "docs/.htaccess"):
        (folder / name).write_text("secret")
    (folder / "libs" / "mine.js").write_text("// mine")
    (folder / "libs" / BUNDLES[0]).write_text("// not the server's")
    (folder / "healthz").write_text("not the server's")
    (folder / "large.bin").write_bytes(os.urandom(LARGE))
    (folder / "nothing.txt").write_text("")
    (folder / "out.txt").symlink_to(parent / "secret.txt")
    (folder / "outside").symlink_to(parent)
    (folder / "hidden.txt").symlink_to(".env")
    (folder / "in.txt").symlink_to("nothing.txt")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe")
    return folder


@asynccontextmanager
async def serving(folder: Path, path: str = "/") -> AsyncIterator[RunningServer]:
    """Serve one folder."""
    async with serve(parse_config({**document(), "files": {path: str(folder)}})) as server:
        yield server


METHODS: Final[list[tuple[str, dict[str, str]]]] = [
    ("GET", {}),
    ("HEAD", {}),
    ("POST", {}),
    ("GET", {"If_None_Match": "*"}),
]
"""Requests that have to agree whether there is a file."""


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the errors of the log."""
    return [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]
