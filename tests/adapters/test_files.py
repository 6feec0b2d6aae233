"""Folders that the configuration names, over real sockets: what is served, what is not, and how."""

from __future__ import annotations

import errno
import os
import re
import socket
import urllib.parse
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from sharedstate_anyio import files, opening, parse_config, serve
from sharedstate_anyio.document import shown
from sharedstate_anyio.folders import is_served
from sharedstate_anyio.http import BUNDLES
from tests.support.asking import ask
from tests.support.peer import Peer, open_client, open_peer
from tests.support.servers import config, document, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sharedstate_anyio import RunningServer

LARGE = 3 * opening.PIECE_BYTES + 5


@pytest.fixture
def public(tmp_path: Path) -> Path:
    """Return a folder such as people have, with things beside it and in it that are not for everybody."""
    folder = tmp_path / "public"
    (folder / "docs" / "empty").mkdir(parents=True)
    (folder / "docs" / "deep" / "index.html").mkdir(parents=True)
    (folder / "docs" / "deep" / "index.html" / "index.html").touch()
    (folder / ".git").mkdir()
    (folder / "libs").mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "public-too").mkdir()
    (tmp_path / "public-too" / "secret.txt").write_text("secret")
    for name in ("index.html", "docs/index.html", "docs/a b.html"):
        (folder / name).write_text(f"<p>{name}")
    for name in (".env", ".git/config", "docs/.htaccess"):
        (folder / name).write_text("secret")
    (folder / "libs" / "mine.js").write_text("// mine")
    (folder / "libs" / BUNDLES[0]).write_text("// not the server's")
    (folder / "healthz").write_text("not the server's")
    (folder / "large.bin").write_bytes(os.urandom(LARGE))
    (folder / "nothing.txt").write_text("")
    (folder / "out.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "outside").symlink_to(tmp_path)
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


async def test_what_is_there(public: Path) -> None:
    async with serving(public) as server:
        for target, text in (
            ("/", "<p>index.html"),
            ("/?x=1", "<p>index.html"),
            ("/index.html", "<p>index.html"),
            ("/docs/", "<p>docs/index.html"),
            ("/docs/a%20b.html", "<p>docs/a b.html"),
            ("/docs%2Fa%20b.html", "<p>docs/a b.html"),
            ("/libs/mine.js", "// mine"),
            ("/in.txt", ""),
        ):
            status, headers, body = await ask(server.port, target)
            assert (status, body) == (200, text)
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-cache"
            assert "script-src" not in headers["content-security-policy"]
            assert "default-src" not in headers["content-security-policy"]
        async with open_client(server.port) as client:
            assert await client.get("/") == ["items"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("A.HTML", "text/html; charset=utf-8"),
        ("a.svg", "image/svg+xml"),
        ("a.wasm", "application/wasm"),
        ("a.json", "application/json"),
        ("a.min.js.map", "application/json"),
        ("a.png", "image/png"),
        ("a.jpeg", "image/jpeg"),
        ("a.webp", "image/webp"),
        ("html", "application/octet-stream"),
        ("a.unknown", "application/octet-stream"),
    ],
)
async def test_the_type_of_a_file(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_text("x")
    async with serving(tmp_path) as server:
        assert (await ask(server.port, f"/{name}"))[1]["content-type"] == kind


@pytest.mark.parametrize(
    "name",
    [
        "12:30.txt",
        "a\\b.txt",
        "no\u00a0break.txt",
        "\N{WOMAN}\u200d\N{PERSONAL COMPUTER}.png",
        "a?b#c%25.txt",
        "\u2028",
        "~",
        "a" * 255,
    ],
)
async def test_names_of_all_kinds(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "index.html").write_text("index")
    (tmp_path / name / name).write_text("x")
    quoted = urllib.parse.quote(name)
    async with serving(tmp_path) as server:
        assert (await ask(server.port, f"/{quoted}/{quoted}"))[2] == "x"
        assert (await ask(server.port, f"/{quoted}"))[1]["location"] == f"./{quoted}/"


@pytest.mark.parametrize("name", ["a\nb", "a\x7fb", "a\x85b", "..a"])
async def test_names_that_are_not_served(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("x")
    async with serving(tmp_path) as server:
        assert (await ask(server.port, f"/{urllib.parse.quote(name)}"))[0] == 404


@pytest.mark.parametrize(
    "target",
    [
        "/absent",
        "/docs/empty",
        "/docs/empty/",
        "/docs/deep",
        "/docs/deep/",
        "/index.html/",
        "/index.html/x",
        "//index.html",
        "/docs//index.html",
        "/./index.html",
        "/docs/../index.html",
        "/../secret.txt",
        "/../public-too/secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e%2fsecret.txt",
        "/docs/%2e%2e/%2e%2e/secret.txt",
        "/..%5csecret.txt",
        "/..\\secret.txt",
        "/%252e%252e/secret.txt",
        "/%2fetc/passwd",
        "//etc/passwd",
        "/C:/secret.txt",
        "/index.html%00",
        "/%00",
        "/index.html%00.js",
        "/%0a",
        "/%ff",
        "/.env",
        "/%2eenv",
        "/.git/config",
        "/.git/",
        "/docs/.htaccess",
        "/hidden.txt",
        "/out.txt",
        "/outside/secret.txt",
        "/outside/public/index.html%2f..%2f..%2fsecret.txt",
        "/loop",
        "/pipe",
        "/" + "x" * 300,
        "/" + "x/" * 3000,
    ],
)
async def test_what_is_not_there(public: Path, target: str) -> None:
    async with serving(public) as server:
        for method in ("GET", "HEAD", "POST"):
            status, _, body = await ask(server.port, target, method)
            assert status == 404
            assert "secret" not in body.replace("secret.txt", "")


METHODS: list[tuple[str, dict[str, str]]] = [
    ("GET", {}),
    ("HEAD", {}),
    ("POST", {}),
    ("GET", {"If_None_Match": "*"}),
]
"""Requests that have to agree whether there is a file."""


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

    monkeypatch.setattr(opening, "is_served", look_and_swap)
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
    read = opening.OpenFile.read

    def read_and_swap(found: opening.OpenFile, start: int) -> bytes:
        data = read(found, start)
        if start == 0:
            (public / "docs").rename(tmp_path / "away")
            (public / "docs").symlink_to(tmp_path / "away")
        return data

    monkeypatch.setattr(opening.OpenFile, "read", read_and_swap)
    async with serving(public) as server, open_peer(server.port) as peer:
        await peer.send(b"GET /docs/large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        _, _, body = (await peer.receive_all()).partition(b"\r\n\r\n")
        assert len(body) == opening.PIECE_BYTES
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


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the errors of the log."""
    return [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]


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


async def test_what_is_the_servers_own_wins(public: Path) -> None:
    """Except its page at `/`, which is at `/pages/` too."""
    async with serving(public) as server:
        assert (await ask(server.port, "/healthz"))[2] == "ok\n"
        assert (await ask(server.port, "/readyz"))[2] == "ready\n"
        assert "not the server's" not in (await ask(server.port, f"/libs/{BUNDLES[0]}"))[2]
        assert "SharedState" in (await ask(server.port, "/pages/"))[2]
        assert (await ask(server.port, "/pages/page.css"))[0] == 200
        (public / "index.html").unlink()
        assert "SharedState" in (await ask(server.port, "/"))[2]


async def test_who_is_led_to_the_servers_page_arrives_there(public: Path) -> None:
    """Though the page at `/` is another one."""
    async with serving(public) as server:
        _, _, absent = await ask(server.port, "/absent")
        places = re.findall(r"The server's page is at (\S+)\.", absent)
        for page in ("/libs/", "/pages/clock.html", "/pages/todo.html"):
            _, _, body = await ask(server.port, page)
            places += re.findall(r'<a href="([^"]*)">[^<]*server\'s page', body)
        assert len(places) == 4
        for place in places:
            assert "<title>SharedState" in (await ask(server.port, place))[2]


async def test_folders_under_paths(public: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.txt").write_text("other")
    folders = {"/site": str(public), "/site/docs/x/": str(tmp_path / "other")}
    async with serve(parse_config({**document(), "files": folders})) as server:
        assert (await ask(server.port, "/site/"))[2] == "<p>index.html"
        assert (await ask(server.port, "/site/docs/x/a.txt"))[2] == "other"
        assert (await ask(server.port, "/site/docs/x/index.html"))[0] == 404
        assert (await ask(server.port, "/sitemap"))[0] == 404
        assert (await ask(server.port, "/index.html"))[0] == 404
        for target, location in (
            ("/site", "./site/"),
            ("/site?a=b", "./site/?a=b"),
            ("/site/docs", "./docs/"),
        ):
            status, headers, _ = await ask(server.port, target)
            assert (status, headers["location"]) == (301, location)
            assert (await ask(server.port, target, "HEAD"))[0] == 301
            assert (await ask(server.port, target, "POST"))[0] == 405
        assert (await ask(server.port, "/site/docs/x"))[0] == 404  # it has no page


@pytest.mark.parametrize(
    "target", ["/docs", "/site%2Fdocs", "/%73ite/d%6fcs", "/site%2fdocs%2Fdeep"]
)
async def test_a_folder_without_its_slash_is_sent_to_where_it_is(public: Path, target: str) -> None:
    """Whatever of the path is encoded: the redirection is relative to the path as it was sent."""
    (public / "site" / "docs" / "deep").mkdir(parents=True)
    (public / "site" / "docs" / "index.html").write_text("site/docs")
    (public / "site" / "docs" / "deep" / "index.html").write_text("site/docs/deep")
    async with serving(public) as server:
        base = f"http://a{target}"
        status, headers, _ = await ask(server.port, f"{target}?q=%2F")
        assert status == 301
        there = urllib.parse.urlsplit(urllib.parse.urljoin(base, headers["location"]))
        path, expected = urllib.parse.unquote(there.path), f"{urllib.parse.unquote(target)}/"
        assert (there.netloc, path, there.query) == ("a", expected, "q=%2F")
        assert "%2f" not in there.path.lower(), "else links of the page lead elsewhere"
        status, _, body = await ask(server.port, there.path)
        wanted = expected.strip("/")
        assert (status, body) == (200, f"<p>{wanted}/index.html" if wanted == "docs" else wanted)


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "///evil.example",
        "/%2Fevil.example",
        "/%2F%2Fevil.example",
        "/docs%2F%2Fevil.example",
        "/%5Cevil.example",
        "/\\evil.example",
        "/docs/%2F/evil.example",
        "/%2e%2e/evil.example",
        "/https:%2F%2Fevil.example",
        "/https:evil.example",
        "http://evil.example/docs",
    ],
)
async def test_nobody_is_sent_elsewhere(public: Path, target: str) -> None:
    """Though there are folders of such names; a browser takes a backslash for a slash."""
    (public / "https:evil.example").mkdir()
    (public / "\\evil.example").mkdir()
    (public / "evil.example").mkdir()
    for folder in (
        public / "https:evil.example",
        public / "\\evil.example",
        public / "evil.example",
    ):
        (folder / "index.html").touch()
    async with serving(public) as server:
        status, headers, _ = await ask(server.port, target)
        assert status in {301, 404}
        location = headers.get("location", "./").replace("\\", "/")
        assert urllib.parse.urlsplit(urllib.parse.urljoin("http://a/", location)).netloc == "a"


async def test_other_methods(public: Path) -> None:
    async with serving(public) as server:
        get = await ask(server.port, "/index.html")
        head = await ask(server.port, "/index.html", "HEAD")
        assert (head[0], head[2]) == (200, "")
        assert {**head[1], "date": ""} == {**get[1], "date": ""}
        status, headers, _ = await ask(server.port, "/index.html", "POST", Content_Length="0")
        assert (status, headers["allow"]) == (405, "GET, HEAD")


async def test_a_file_that_the_browser_has_is_not_sent_again(public: Path) -> None:
    async with serving(public) as server:
        _, first, _ = await ask(server.port, "/index.html")
        etag, date = first["etag"], first["last-modified"]
        for known in (
            {"If_None_Match": etag},
            {"If_None_Match": f'"other", W/{etag}'},
            {"If_Modified_Since": date},
        ):
            status, headers, body = await ask(server.port, "/index.html", **known)
            assert (status, body) == (304, "")
            assert (headers["etag"], headers["last-modified"]) == (etag, date)
            assert "content-length" not in headers
        for other in (
            {"If_None_Match": '"other"', "If_Modified_Since": date},
            {"If_Modified_Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
            {"If_Modified_Since": "yesterday"},
        ):
            assert (await ask(server.port, "/index.html", **other))[0] == 200
        (public / "index.html").write_text("another")
        status, _, body = await ask(server.port, "/index.html", If_None_Match=etag)
        assert (status, body) == (200, "another")


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


# Large files


async def test_a_large_file_comes_piece_by_piece(public: Path) -> None:
    async with serving(public) as server, open_peer(server.port) as peer:
        await peer.send(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
        content = (public / "large.bin").read_bytes()
        got = b""
        while got.count(content) < 2:
            got += await peer.receive()
        assert b"content-length: %d\r\n" % LARGE in got.lower()
        assert (await ask(server.port, "/large.bin", "HEAD"))[2] == ""


@pytest.mark.parametrize("change", ["replaced", "cut", "removed"])
async def test_a_large_file_that_changes_meanwhile_is_not_mixed(
    public: Path,
    change: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The answer ends too early, which whoever asked can see."""
    file = public / "large.bin"
    read = opening.OpenFile.read

    def read_and_change(found: opening.OpenFile, start: int) -> bytes:
        data = read(found, start)
        if start == 0 and change == "replaced":
            (public / "new").write_bytes(b"x" * LARGE)
            (public / "new").replace(file)
        elif start == 0 and change == "cut":
            os.truncate(file, opening.PIECE_BYTES)
        elif start == 0:
            file.unlink()
        return data

    monkeypatch.setattr(opening.OpenFile, "read", read_and_change)
    async with serving(public) as server, open_peer(server.port) as peer:
        await peer.send(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        head, _, body = (await peer.receive_all()).partition(b"\r\n\r\n")
        assert b"content-length: %d" % LARGE in head.lower()
        assert len(body) == opening.PIECE_BYTES
    (line,) = errors(caplog)
    why = "No such file or directory" if change == "removed" else "it has changed while it was sent"
    assert line == f'files["/"]: "/large.bin" cannot be read to its end: {why}'
    caplog.clear()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
async def test_a_later_piece_that_cannot_be_read_is_a_line_of_the_log(
    public: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    read = opening.File.read

    def fail_later(file: opening.File, start: int) -> bytes:
        if start == opening.PIECE_BYTES:
            return read(file, start)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(opening.File, "read", fail_later)
    async with serving(public) as server:
        for _ in range(3):
            async with open_peer(server.port) as peer:
                await peer.send(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
                _, _, body = (await peer.receive_all()).partition(b"\r\n\r\n")
                assert len(body) == 2 * opening.PIECE_BYTES
        assert errors(caplog) == [
            f'files["/"]: "/large.bin" cannot be read to its end: {os.strerror(number)}'
        ]
    repeated = caplog.records[-1].__dict__["fields"]
    assert repeated == {"event": "file_failed", "repeated": 2}
    caplog.clear()


async def test_who_leaves_amid_a_large_file_is_no_line_of_the_log(public: Path) -> None:
    (public / "large.bin").write_bytes(b"x" * 20_000_000)
    async with serving(public) as server, open_peer(server.port, buffer=65536) as peer:
        await peer.send(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        assert await peer.receive()
        peer.reset()


async def test_who_reads_slowly_keeps_no_file_open(public: Path) -> None:
    (public / "large.bin").write_bytes(b"x" * 20_000_000)
    async with serving(public) as server, open_peer(server.port, buffer=65536) as peer:
        await peer.send(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await peer.receive()).startswith(b"HTTP/1.1 200 ")
        for _ in range(20):  # it has come to a standstill
            await anyio.sleep(0.01)
        await until(lambda: not is_open(public / "large.bin"))
        async with open_client(server.port) as client:
            assert await client.get("/") == ["items"]


def is_open(file: Path) -> bool:
    numbers = Path("/proc/self/fd")
    return any(os.path.realpath(each) == str(file) for each in numbers.iterdir())


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
                await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            async with open_client(server.port) as client:
                for _ in range(10):
                    assert await client.get("/") == ["items"]
            theirs.close()
            for peer in peers:
                assert (await peer.receive()).startswith(b"HTTP/1.1 ")
                peer.close()


# The configuration


async def test_other_folders_hold_from_a_reload_on(public: Path, tmp_path: Path) -> None:
    async with serve(config()) as server:
        assert "SharedState" in (await ask(server.port, "/"))[2]
        new = parse_config({**document(), "files": {"/": str(public)}})
        outcome = server.reload(new)
        assert outcome is not None
        assert outcome.changed == ("files",)
        assert (await ask(server.port, "/"))[2] == "<p>index.html"
        server.reload(config())
        assert "SharedState" in (await ask(server.port, "/"))[2]
