"""Folders that the configuration names, over real sockets: what is served, what is not, and how."""

from __future__ import annotations

import gc
import os
import re
import urllib.parse
from pathlib import Path

import anyio
import pytest

from sharedstate_anyio import parse_config, serve
from sharedstate_anyio.config.config import Config
from sharedstate_anyio.config.live import LiveConfig
from sharedstate_anyio.http.files import Files
from sharedstate_anyio.http.safe_open import PIECE_BYTES
from sharedstate_anyio.http.site import BUNDLES
from sharedstate_anyio.logs.repeated_errors import RepeatedErrors
from tests.support.asking import ask
from tests.support.folders import LARGE, serving
from tests.support.peer import open_client, open_peer
from tests.support.services.servers import config, document, until


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


# Large files


async def test_a_large_file_comes_piece_by_piece(public: Path) -> None:
    async with serving(public) as server, open_peer(server.port) as peer:
        await peer.send(b"GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2)
        content = (public / "large.bin").read_bytes()
        got = b""
        while got.count(content) < 2:
            got += await peer.receive()
        assert b"content-length: %d\r\n" % LARGE in got.lower()
        assert (await ask(server.port, "/large.bin", "HEAD"))[2] == ""


async def test_a_large_file_has_one_piece_in_memory(public: Path) -> None:
    """Of many `connections`, each keeps one: the first, too, is gone once it has been taken."""
    files = Files(LiveConfig(Config(files={"/": public})), RepeatedErrors())
    response = await files.respond("GET", "/large.bin", [])
    assert response is not None
    assert response.rest is not None
    pieces = []
    while piece := await response.rest.read():
        assert not any(each in pieces for each in gc.get_referents(response, response.rest))
        pieces.append(piece)
    assert b"".join(pieces) == (public / "large.bin").read_bytes()
    assert {len(piece) for piece in pieces[:-1]} == {PIECE_BYTES}


async def test_who_reads_slowly_keeps_no_file_open(public: Path) -> None:
    (public / "large.bin").write_bytes(b"x" * 20_000_000)
    async with serving(public) as server, open_peer(server.port, buffer=65536) as peer:
        await peer.send(b"GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await peer.receive()).startswith(b"HTTP/1.1 200 ")
        for _ in range(20):  # it has come to a standstill
            await anyio.sleep(0.01)
        await until(lambda: not is_open(public / "large.bin"))
        async with open_client(server.port) as client:
            assert await client.get("/") == ["items"]


def is_open(file: Path) -> bool:
    numbers = Path("/proc/self/fd")
    return any(os.path.realpath(each) == str(file) for each in numbers.iterdir())


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
