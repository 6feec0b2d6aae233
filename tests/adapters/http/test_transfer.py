"""How answers travel: compressed, not sent again, carried by h11, and with the right length whatever is asked."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharedstate_anyio.http.site import BUNDLES, Site
from tests.support.site import ITEMS, LIBS, PAGES, header

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "accepts",
    [
        b"gzip",
        b"br;q=1.0, gzip;q=0.8",
        b"GZIP",
        b"*",
        b"*;q=0, gzip",
        b"br,\tgzip",
        b"gzip;x=1;q=1",
    ],
)
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


@pytest.mark.parametrize(
    "accepts",
    [b"", b"gzip;q=0", b"gzip; q=0.0", b"br", b"identity", b"gzip;q=0, *", b"gzip;x=1;q=0"],
)
def test_what_nobody_asked_for_is_not_compressed(accepts: bytes) -> None:
    response = Site([ITEMS]).respond("GET", "/", [(b"Accept-Encoding", accepts)])
    assert header(response, b"Content-Encoding") is None


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
