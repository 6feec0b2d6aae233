"""The page, the bundles and the health check: what a browser gets, whatever it asks."""

from __future__ import annotations

import gzip
import importlib.util
import re
import shutil
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharedstate_anyio.http import BUNDLES, COMPANIONS, PACKAGE, Response, Site
from sharedstate_anyio.rendering import ServiceInfo

if TYPE_CHECKING:
    from pathlib import Path

ITEMS = ServiceInfo("items", "SQLite file")
MEMORY = ServiceInfo("mitems", "SQLite, in memory", in_memory=True)
PAGES = [
    "/",
    "/pages/page.css",
    "/pages/demo.js",
    "/pages/favicon.svg",
    "/pages/cursors.html",
    "/pages/clock.html",
    "/pages/minimal.html",
    "/pages/todo.html",
]
LIBS = [f"/libs/{name}" for name in (*BUNDLES, *COMPANIONS)]


@pytest.fixture(scope="module")
def libs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("libs")
    for name in (*BUNDLES, *COMPANIONS):
        (folder / name).write_text(f"// {name} ✓\n", "utf-8")
    (folder / "secret.js").write_text("// not a bundle\n")
    return folder


@pytest.fixture(scope="module")
def site(libs: Path) -> Site:
    return Site([ITEMS, MEMORY], libs=libs)


def header(response: Response, name: bytes) -> bytes | None:
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
        return next(attrs["data-path"] for tag, attrs in self.tags if tag == "body")


# What is there


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("/", b"text/html; charset=utf-8"),
        ("/pages/page.css", b"text/css; charset=utf-8"),
        ("/pages/demo.js", b"text/javascript; charset=utf-8"),
        ("/pages/favicon.svg", b"image/svg+xml"),
        *((f"/libs/{name}", b"text/javascript; charset=utf-8") for name in BUNDLES),
        ("/libs/sharedstate.es.js.map", b"application/json"),
        ("/libs/sharedstate.es.d.ts", b"text/plain; charset=utf-8"),
    ],
)
def test_files_are_served_with_their_type(site: Site, target: str, kind: bytes) -> None:
    response = site.respond("GET", target)
    assert response.status == 200
    assert header(response, b"Content-Type") == kind
    assert header(response, b"X-Content-Type-Options") == b"nosniff"
    assert header(response, b"Cache-Control") == b"no-cache"
    assert re.fullmatch(rb'"[0-9a-f]{32}"', header(response, b"ETag") or b"")


@pytest.mark.parametrize("accepts", [b"gzip", b"br;q=1.0, gzip;q=0.8", b"GZIP", b"*"])
def test_what_is_large_is_compressed(accepts: bytes) -> None:
    site = Site([ITEMS])
    for target in ["/", "/pages/page.css", f"/libs/{BUNDLES[0]}"]:
        asked = (b"Accept-Encoding", accepts)
        plain, small = site.respond("GET", target), site.respond("GET", target, [asked])
        assert header(small, b"Content-Encoding") == b"gzip"
        assert header(plain, b"Content-Encoding") is None
        assert gzip.decompress(small.body) == plain.body
        assert header(small, b"Content-Length") == b"%d" % len(small.body)
        assert header(plain, b"Vary") == header(small, b"Vary") == b"Accept-Encoding"
        tags = [header(each, b"ETag") or b"" for each in (plain, small)]
        assert tags[0] != tags[1], "one tag for each form"
        again = site.respond("GET", target, [(b"If-None-Match", tags[1]), asked])
        assert (again.status, header(again, b"Vary")) == (304, b"Accept-Encoding")
        assert site.respond("GET", target, [(b"If-None-Match", tags[1])]).status == 200


@pytest.mark.parametrize("accepts", [b"", b"gzip;q=0", b"gzip; q=0.0", b"br", b"identity"])
def test_what_nobody_asked_for_is_not_compressed(accepts: bytes) -> None:
    response = Site([ITEMS]).respond("GET", "/", [(b"Accept-Encoding", accepts)])
    assert header(response, b"Content-Encoding") is None


def test_the_bundles_are_listed() -> None:
    site = Site([ITEMS])
    response = site.respond("GET", "/libs/")
    assert header(response, b"Content-Type") == b"text/html; charset=utf-8"
    assert site.respond("GET", "/libs").body == response.body
    links = {attrs["href"] for tag, attrs in Page(response).tags if tag == "a"} - {"/"}
    assert links == set(LIBS)
    for link in links:
        assert f"{len(site.respond('GET', link or '').body):,}" in response.body.decode()


def test_the_health_check(site: Site) -> None:
    response = site.respond("GET", "/healthz")
    assert (response.status, response.body) == (200, b"ok\n")
    assert header(response, b"Content-Type") == b"text/plain; charset=utf-8"
    assert header(response, b"ETag") is None


def test_bundles_are_for_pages_of_any_origin(site: Site, libs: Path) -> None:
    for target in [*LIBS, "/libs/absent.js"]:
        response = site.respond("GET", target)
        assert header(response, b"Access-Control-Allow-Origin") == b"*"
        assert header(response, b"Cross-Origin-Resource-Policy") == b"cross-origin"
    name = BUNDLES[0]
    assert site.respond("GET", f"/libs/{name}").body == (libs / name).read_bytes()


def test_pages_are_for_nobody_elses_scripts(site: Site) -> None:
    for target in PAGES:
        response = site.respond("GET", target)
        assert header(response, b"Access-Control-Allow-Origin") is None
        policy = header(response, b"Content-Security-Policy") or b""
        assert b"default-src 'self'" in policy.split(b"; ")
        assert b"connect-src 'self' ws: wss:" in policy.split(b"; ")
        assert b"unsafe" not in policy


# What is not


@pytest.mark.parametrize(
    "target",
    [
        "/nothing",
        "//",
        "/libs/secret.js",
        "/libs/../healthz",
        "/libs/%2e%2e/%2e%2e/config.py",
        "/libs/..%2f..%2fetc%2fpasswd",
        "/pages/",
        "/pages/index.html",
        "/pages/../config.py",
        "/pages/..\\config.py",
        "/pages/%00",
        "/PAGES/page.css",
        "/healthz/",
        "/%",
        "/%ff%fe",
        "/\udcff\ud800",
        "/æøå",
        "/" + "a/" * 50_000,
        "http://host/nothing",
    ],
)
def test_what_is_not_there(site: Site, target: str) -> None:
    response = site.respond("GET", target)
    assert response.status == 404
    assert header(response, b"Content-Type") == b"text/plain; charset=utf-8"


@pytest.mark.parametrize("target", ["", "*", "host:443", "healthz", "ftp://h/", "http:///healthz"])
def test_a_target_that_is_no_path(site: Site, target: str) -> None:
    assert site.respond("GET", target).status == 400


@pytest.mark.parametrize(
    "target",
    [
        "/healthz?x=1",
        "/healthz?",
        "/healthz#f",
        "/%68ealth%7A",
        "http://example.org/healthz",
        "HTTPS://[::1]:9000/healthz?a=/b",
    ],
)
def test_spellings_of_one_target(site: Site, target: str) -> None:
    assert site.respond("GET", target).body == b"ok\n"


def test_a_url_without_a_path_is_the_root(site: Site) -> None:
    root = site.respond("GET", "/")
    assert site.respond("GET", "http://example.org") == root
    assert site.respond("GET", "http://example.org?x") == root


def test_missing_bundles_are_told(tmp_path: Path) -> None:
    site = Site([MEMORY], libs=tmp_path)
    response = site.respond("GET", LIBS[0])
    assert response.status == 404
    assert b"have not been built" in response.body
    assert "have not been built" in Page(site.respond("GET", "/")).words


def test_nothing_is_missed_when_the_bundles_are_there(site: Site) -> None:
    assert "have not been built" not in Page(site.respond("GET", "/")).words
    assert b"sharedstate.es.min.js" in site.respond("GET", "/libs/other.js").body


@pytest.mark.parametrize("layout", ["wheel", "source"])
def test_where_the_bundles_are_found(
    layout: str, tmp_path: Path, libs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "adapters" / f"relocated_{layout}"
    shutil.copytree(PACKAGE / "pages", package / "pages")
    for name in ("http.py", "rendering.py", "resources.py"):
        shutil.copy(PACKAGE / name, package)
    (package / "__init__.py").touch()
    shutil.copytree(libs, package / "libs" if layout == "wheel" else tmp_path / "libs")
    monkeypatch.syspath_prepend(package.parent)
    module = importlib.import_module(f"{package.name}.http")
    assert module.Site([]).respond("GET", LIBS[0]).status == 200


def test_companions_may_be_missing(tmp_path: Path) -> None:
    for name in BUNDLES:
        (tmp_path / name).write_text("// a bundle\n")
    site = Site([MEMORY], libs=tmp_path)
    assert "have not been built" not in Page(site.respond("GET", "/")).words
    assert site.respond("GET", f"/libs/{COMPANIONS[0]}").status == 404


# Methods


@pytest.mark.parametrize("target", [*PAGES, *LIBS, "/healthz", "/nothing", "*", "/libs/"])
def test_head_is_get_without_the_body(site: Site, target: str) -> None:
    get, head = site.respond("GET", target), site.respond("HEAD", target)
    assert get.body != b""
    assert (head.status, head.headers, head.body) == (get.status, get.headers, b"")


@pytest.mark.parametrize(
    "method", ["POST", "PUT", "DELETE", "TRACE", "get", "", "\udcff", "OPTIONS"]
)
def test_other_methods_are_refused(site: Site, method: str) -> None:
    for target in ("/", "/healthz", "/pages/demo.js"):
        response = site.respond(method, target)
        assert response.status == 405
        assert header(response, b"Allow") == b"GET, HEAD"
    if method != "OPTIONS":
        response = site.respond(method, LIBS[0])
        assert response.status == 405
        assert header(response, b"Allow") == b"GET, HEAD, OPTIONS"


@pytest.mark.parametrize("target", ["/libs", "/libs/", *LIBS, "/libs/absent.js"])
def test_preflight(site: Site, target: str) -> None:
    asked = [(b"Origin", b"null"), (b"Access-Control-Request-Method", b"GET")]
    response = site.respond("OPTIONS", target, asked)
    assert (response.status, response.body) == (204, b"")
    assert header(response, b"Access-Control-Allow-Origin") == b"*"
    assert header(response, b"Access-Control-Allow-Methods") == b"GET, HEAD, OPTIONS"
    assert header(response, b"Access-Control-Allow-Headers") == b"*"
    assert header(response, b"Content-Length") is None


# Revalidation


@pytest.mark.parametrize("target", [*PAGES, *LIBS])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("form", [b"%s", b"W/%s", b'"x", %s', b'%s ,"x"', b"*"])
def test_an_unchanged_file_is_not_sent_again(
    site: Site, target: str, method: str, form: bytes
) -> None:
    etag = header(site.respond("GET", target), b"ETag")
    assert etag is not None
    asked = [(b"If-None-Match", form.replace(b"%s", etag))]
    response = site.respond(method, target, asked)
    assert (response.status, response.body) == (304, b"")
    assert header(response, b"ETag") == etag
    assert header(response, b"Cache-Control") == b"no-cache"
    shared = header(response, b"Access-Control-Allow-Origin") == b"*"
    assert shared == target.startswith("/libs/")


@pytest.mark.parametrize("value", [b"", b'"', b'"other"', b"\xff\x00", b"," * 1000])
def test_another_tag_gets_the_file(site: Site, value: bytes) -> None:
    assert site.respond("GET", "/", [(b"if-none-match", value)]).status == 200


def test_tags_tell_contents_apart(site: Site, libs: Path) -> None:
    tags = {header(site.respond("GET", target), b"ETag") for target in [*PAGES, *LIBS]}
    assert len(tags) == len(PAGES) + len(LIBS)
    other = Site([ITEMS], libs=libs)
    old = header(site.respond("GET", "/"), b"ETag")
    assert old is not None
    assert other.respond("GET", "/", [(b"If-None-Match", old)]).status == 200


# The wire


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
@pytest.mark.parametrize("target", [*PAGES, *LIBS, "/healthz", "/nothing", "/libs/nothing"])
@pytest.mark.parametrize("tag", [b'"x"', b"*"])
def test_h11_carries_every_answer_unchanged(
    site: Site, method: str, target: str, tag: bytes
) -> None:
    client, server = h11.Connection(h11.CLIENT), h11.Connection(h11.SERVER)
    request = h11.Request(
        method=method, target=target, headers=[(b"Host", b"h"), (b"If-None-Match", tag)]
    )
    server.receive_data(client.send(request) + client.send(h11.EndOfMessage()))
    asked = server.next_event()
    assert isinstance(asked, h11.Request)
    answer = site.respond(asked.method.decode(), asked.target.decode("latin-1"), asked.headers)
    parts: list[h11.Event] = [h11.Response(status_code=answer.status, headers=answer.headers)]
    parts += [h11.Data(data=answer.body)] if answer.body else []
    for part in [*parts, h11.EndOfMessage()]:
        client.receive_data(server.send(part) or b"")
    got = client.next_event()
    assert isinstance(got, h11.Response)
    assert [(name.lower(), value) for name, value in answer.headers] == list(got.headers)
    body = b""
    while not isinstance(event := client.next_event(), h11.EndOfMessage):
        assert isinstance(event, h11.Data)
        body += event.data
    assert body == answer.body


@given(
    method=st.sampled_from(["GET", "HEAD", "OPTIONS", "POST"]) | st.text(),
    target=st.text()
    | st.text().map("/".__add__)
    | st.lists(st.sampled_from([*PAGES, *LIBS, "..", "%", "%2F", "?", "#", "http:", "//h"])).map(
        "".join
    ),
    headers=st.lists(
        st.tuples(st.sampled_from([b"If-None-Match", b"Host"]) | st.binary(), st.binary())
    ),
)
def test_nothing_raises_and_every_length_is_right(
    site: Site, method: str, target: str, headers: list[tuple[bytes, bytes]]
) -> None:
    response = site.respond(method, target, headers)
    length = header(response, b"Content-Length")
    if response.status in {204, 304}:
        assert length is None
    else:
        assert response.status in {200, 400, 404, 405}
        assert length == str(len(site.respond("GET", target).body)).encode() or method not in {
            "GET",
            "HEAD",
        }
    if method == "HEAD" or length is None:
        assert response.body == b""
    else:
        assert length == str(len(response.body)).encode()


# The page


def test_the_page_lists_the_services_in_order(site: Site) -> None:
    words = " ".join(Page(site.respond("GET", "/")).words.split())
    assert words.index("items SQLite file") < words.index("mitems SQLite, in memory")
    assert "/app/mitems/collection" in words


def test_the_demo_prefers_a_service_that_forgets(libs: Path) -> None:
    def path(*services: ServiceInfo) -> str | None:
        return Page(Site(services, libs=libs).respond("GET", "/")).path()

    assert path(ITEMS, MEMORY) == "/demo/mitems/list"
    assert path(ITEMS, ServiceInfo("tape", "module tape")) == "/demo/items/list"
    assert path() == ""


@pytest.mark.parametrize(
    "name", ['"><script>x()</script>', "{{path}}", "{{services}}", "&amp;", "\\1"]
)
def test_a_service_name_is_text_and_nothing_else(libs: Path, name: str) -> None:
    plain = Page(Site([MEMORY], libs=libs).respond("GET", "/"))
    page = Page(Site([ServiceInfo(name, name, in_memory=True)], libs=libs).respond("GET", "/"))
    assert page.path() == f"/demo/{name}/list"
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert page.words.count(name) == plain.words.count("mitems") + 1


def test_the_page_obeys_its_own_policy(site: Site) -> None:
    response = site.respond("GET", "/")
    assert b"{{" not in response.body
    for tag, attrs in Page(response).tags:
        assert "style" not in attrs
        assert not any(name.startswith("on") for name in attrs)
        assert tag != "style"
        assert tag != "script" or attrs.get("src")
        for target in (attrs.get("src"), attrs.get("href")):
            assert target is None or site.respond("GET", target).status == 200


def test_what_the_scripts_ask_for_is_there(site: Site) -> None:
    script = site.respond("GET", "/pages/demo.js").body.decode()
    page = site.respond("GET", "/").body.decode()
    imports = re.findall(r'^import .* from "(.*)";$', script, re.MULTILINE)
    assert imports == ["/libs/sharedstate.es.js"]
    named = re.findall(r'(?:byId|copyOf)\("(\w+)"\)', script)
    assert len(named) > 5
    assert all(f'id="{name}"' in page for name in named)


def test_no_data_becomes_markup(site: Site) -> None:
    script = site.respond("GET", "/pages/demo.js").body.decode()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script)
