"""Files that change while they are served, and links that somebody puts there meanwhile."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from sharedstate_anyio.config.folders import is_served
from sharedstate_anyio.http import safe_open
from tests.support.asking import ask
from tests.support.folders import LARGE, METHODS, errors, serving
from tests.support.peer import open_peer

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("folder", [True, False], ids=["folder", "file"])
async def test_a_link_put_there_meanwhile_leads_nowhere(
    public: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, folder: bool
) -> None:
    """It comes between the look at the real path and the opening."""
    secret = tmp_path / "elsewhere" / "docs"
    secret.mkdir(parents=True)
    (secret / "index.html").write_text("secret")
    served = public / "docs" if folder else public / "docs" / "index.html"
    target = secret if folder else secret / "index.html"

    def look_and_swap(root: str, path: str) -> bool:
        found = is_served(root, path)
        if not served.is_symlink():
            served.rename(tmp_path / "away")
            served.symlink_to(target)
        return found

    monkeypatch.setattr(safe_open, "is_served", look_and_swap)
    async with serving(public) as server:
        for method, known in METHODS:
            status, _, body = await ask(server.port, "/docs/index.html", method, **known)
            assert (status, "secret" in body) == (404, False)
            served.unlink()
            (tmp_path / "away").rename(served)


async def test_a_link_put_there_in_the_midst_of_a_large_file(
    public: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (public / "docs" / "large.bin").write_bytes(b"x" * LARGE)
    read = safe_open.OpenFile.read

    def read_and_swap(found: safe_open.OpenFile, start: int) -> bytes:
        data = read(found, start)
        if start == 0:
            (public / "docs").rename(tmp_path / "away")
            (public / "docs").symlink_to(tmp_path / "away")
        return data

    monkeypatch.setattr(safe_open.OpenFile, "read", read_and_swap)
    async with serving(public) as server, open_peer(server.port) as peer:
        await peer.send(b"GET /docs/large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
        _, _, body = (await peer.receive_all()).partition(b"\r\n\r\n")
        assert len(body) == safe_open.PIECE_BYTES
    (line,) = errors(caplog)
    assert line.startswith('files["/"]: "/docs/large.bin" cannot be read to its end: ')
    caplog.clear()


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ELOOP])
async def test_a_link_that_goes_away_meanwhile(
    public: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(*_: object) -> str:
        raise OSError(number, os.strerror(number))

    async with serving(public) as server:
        monkeypatch.setattr(os.path, "realpath", fail)
        assert (await ask(server.port, "/docs/index.html"))[0] == 404


@pytest.mark.parametrize("change", ["written", "replaced"])
async def test_a_change_that_keeps_size_and_time_is_seen(public: Path, change: str) -> None:
    file = public / "index.html"
    async with serving(public) as server:
        _, first, old = await ask(server.port, "/index.html")
        time = file.stat().st_mtime_ns
        new = public / "new.html" if change == "replaced" else file
        new.write_text(old.upper())
        os.utime(new, ns=(time, time))
        new.replace(file)
        status, headers, body = await ask(server.port, "/index.html", If_None_Match=first["etag"])
        assert (status, body) == (200, old.upper())
        assert headers["last-modified"] == first["last-modified"]


@pytest.mark.parametrize("change", ["replaced", "cut", "removed"])
async def test_a_large_file_that_changes_meanwhile_is_not_mixed(
    public: Path,
    change: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The answer ends too early, which whoever asked can see."""
    file = public / "large.bin"
    read = safe_open.OpenFile.read

    def read_and_change(found: safe_open.OpenFile, start: int) -> bytes:
        data = read(found, start)
        if start == 0 and change == "replaced":
            (public / "new").write_bytes(b"x" * LARGE)
            (public / "new").replace(file)
        elif start == 0 and change == "cut":
            os.truncate(file, safe_open.PIECE_BYTES)
        elif start == 0:
            file.unlink()
        return data

    monkeypatch.setattr(safe_open.OpenFile, "read", read_and_change)
    async with serving(public) as server, open_peer(server.port) as peer:
        await peer.send(b"GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head, _, body = (await peer.receive_all()).partition(b"\r\n\r\n")
        assert b"content-length: %d" % LARGE in head.lower()
        assert len(body) == safe_open.PIECE_BYTES
    (line,) = errors(caplog)
    why = "No such file or directory" if change == "removed" else "it has changed while it was sent"
    assert line == f'files["/"]: "/large.bin" cannot be read to its end: {why}'
    caplog.clear()
