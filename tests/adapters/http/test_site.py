"""Pages, bundles and the health check over plain HTTP: what is there, what is not, and every method."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

import pytest

from sharedstate_anyio.http.responses import error_response
from sharedstate_anyio.http.site import BUNDLES, Site
from tests.support.site import ITEMS, LIBS, PAGES, Page, header

if TYPE_CHECKING:
    from pathlib import Path


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


def test_the_bundles_are_listed() -> None:
    site = Site([ITEMS])
    response = site.respond("GET", "/libs/")
    assert header(response, b"Content-Type") == b"text/html; charset=utf-8"
    assert site.respond("GET", "/libs").body == response.body
    links = {attrs["href"] for tag, attrs in Page(response).tags if tag == "a"} - {"/pages/"}
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
        "/pages/index.html",
        "/pages/error.html",
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
    assert header(response, b"Content-Type") == b"application/json"


BROWSER: Final = (b"Accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")


@pytest.mark.parametrize(
    ("method", "target", "status", "title"),
    [
        ("GET", "/nothing", 404, "404 Not Found"),
        ("GET", "/libs/absent.js", 404, "404 Not Found"),
        ("POST", "/", 405, "405 Method Not Allowed"),
        ("GET", "*", 400, "400 Bad Request"),
    ],
)
def test_an_error_is_a_page_for_browsers_and_json_for_others(
    site: Site, method: str, target: str, status: int, title: str
) -> None:
    page = site.respond(method, target, [BROWSER])
    assert page.status == status
    assert header(page, b"Content-Type") == b"text/html; charset=utf-8"
    assert b"default-src 'self'" in (header(page, b"Content-Security-Policy") or b"")
    words = Page(page).words
    for accept in (b"*/*", b"application/json", b"text/html;q=0, */*", b"text/css,*/*;q=0.1", b""):
        response = site.respond(method, target, [(b"accept", accept)])
        assert header(response, b"Content-Type") == b"application/json"
        error = json.loads(response.body)["error"]
        assert error["status"] == response.status == status
        assert title in words
        assert error["message"] in words
    for answer in (page, response):
        assert header(answer, b"Vary") == b"Accept"


def test_html_is_wanted_with_any_parameters(site: Site) -> None:
    for accept in (b"text/html;level=1", b"text/html; charset=utf-8; q=0.5", b"TEXT/HTML"):
        response = site.respond("GET", "/nothing", [(b"accept", accept)])
        assert header(response, b"Content-Type") == b"text/html; charset=utf-8"
    for accept in (b"text/html;level=1;q=0", b"text/htmlx"):
        response = site.respond("GET", "/nothing", [(b"accept", accept)])
        assert header(response, b"Content-Type") == b"application/json"


def test_an_error_page_says_what_was_asked_without_trusting_it() -> None:
    response = error_response("GET", 403, "<b>&'\"", [BROWSER])
    assert b"<b>" not in response.body
    assert "<b>&'\"" in Page(response).words


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
