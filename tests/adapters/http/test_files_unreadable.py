"""Files that are there but cannot be read: what whoever asks is told, and what the log tells."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_anyio.config.document import shown
from sharedstate_anyio.http import files, safe_open
from tests.support.asking import ask
from tests.support.folders import METHODS, errors, serving
from tests.support.peer import Peer, open_client, open_peer

if TYPE_CHECKING:
    from pathlib import Path


def unreadable(monkeypatch: pytest.MonkeyPatch, name: str, number: int = errno.EACCES) -> None:
    """Make opening what has this name fail, for root, too."""
    really = os.open

    def refuse(path: Any, flags: int, *args: Any, **options: Any) -> int:
        if str(path) == name:
            raise OSError(number, os.strerror(number))
        return really(path, flags, *args, **options)

    monkeypatch.setattr(os, "open", refuse)


async def test_a_file_that_cannot_be_read_is_not_there_for_anything(
    public: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(public) as server:
        unreadable(monkeypatch, "mine.js")
        for method, known in METHODS:
            assert (await ask(server.port, "/libs/mine.js", method, **known))[0] == 404
        monkeypatch.undo()
        assert (await ask(server.port, "/libs/mine.js"))[0] == 200
    caplog.clear()


@pytest.mark.parametrize(
    ("number", "status", "reason"),
    [(errno.EACCES, 404, "Permission denied"), (errno.EIO, 503, "Input/output error")],
)
async def test_what_cannot_be_read_is_a_line_of_the_log(
    public: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    number: int,
    status: int,
    reason: str,
) -> None:
    async with serving(public) as server:
        unreadable(monkeypatch, "mine.js", number)
        for query in range(5):
            assert (await ask(server.port, f"/libs/mine.js?{query}"))[0] == status
        (record,) = [each for each in caplog.records if each.levelname == "ERROR"]
        assert record.getMessage() == f'files["/"]: "/libs/mine.js" cannot be read: {reason}'
        assert record.__dict__["fields"] == {"event": "file_failed"}
        for target in ("/absent", "/docs/empty/", "/pipe", "/loop", "/out.txt", "/.env"):
            assert (await ask(server.port, target))[0] == 404
    first, repeated = [each for each in caplog.records if each.levelname == "ERROR"]
    assert (first, repeated.__dict__["fields"]["repeated"]) == (record, 4)
    caplog.clear()


async def test_a_folder_that_is_gone_is_a_line_of_the_log(
    public: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(public, "/docs/") as server:
        public.rename(tmp_path / "away")
        for target in ("/docs", "/docs/", "/docs/index.html", "/docs/absent"):
            assert (await ask(server.port, target))[0] == 404
        (record,) = [each for each in caplog.records if each.levelname == "ERROR"]
        expected = f'files["/docs/"]: there is no folder {shown(str(public))}; create it'
        assert record.getMessage() == expected
        assert record.__dict__["fields"] == {"event": "file_failed"}
        (tmp_path / "away").rename(public)
        assert (await ask(server.port, "/docs/"))[0] == 200
    caplog.clear()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
async def test_a_later_piece_that_cannot_be_read_is_a_line_of_the_log(
    public: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    read = safe_open.File.read

    def fail_later(file: safe_open.File, start: int) -> bytes:
        if start == safe_open.PIECE_BYTES:
            return read(file, start)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(safe_open.File, "read", fail_later)
    async with serving(public) as server:
        for _ in range(3):
            async with open_peer(server.port) as peer:
                await peer.send(b"GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
                _, _, body = (await peer.receive_all()).partition(b"\r\n\r\n")
                assert len(body) == 2 * safe_open.PIECE_BYTES
        assert errors(caplog) == [
            f'files["/"]: "/large.bin" cannot be read to its end: {os.strerror(number)}'
        ]
    repeated = caplog.records[-1].__dict__["fields"]
    assert repeated == {"event": "file_failed", "repeated": 2}
    caplog.clear()


async def test_who_leaves_amid_a_large_file_is_no_line_of_the_log(public: Path) -> None:
    (public / "large.bin").write_bytes(b"x" * 20_000_000)
    async with serving(public) as server, open_peer(server.port, buffer=65536) as peer:
        await peer.send(b"GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert await peer.receive()
        peer.reset()


async def test_a_disk_that_stands_still_keeps_nobody_else_waiting(
    public: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:

        def wait(*_: object) -> None:
            ours.recv(1)
            raise FileNotFoundError

        monkeypatch.setattr(files, "open_file", wait)
        async with serving(public) as server:
            peers = [Peer(server.port) for _ in range(files.THREADS + 2)]
            for peer in peers:
                await peer.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            async with open_client(server.port) as client:
                for _ in range(10):
                    assert await client.get("/") == ["items"]
            theirs.close()
            for peer in peers:
                assert (await peer.receive()).startswith(b"HTTP/1.1 ")
                peer.close()
