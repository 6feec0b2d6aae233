"""The quick look at a request's head says what h11 says, or nothing."""

from __future__ import annotations

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sharedstate_anyio.http.request_head import read_head

LIMIT = 4096

BROWSER = (
    b"GET /chat?room=1 HTTP/1.1\r\n"
    b"Host: 127.0.0.1:9000\r\n"
    b"Connection: keep-alive, Upgrade\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) \r\n"
    b"Upgrade: websocket\r\n"
    b"Origin:http://localhost:8000\r\n"
    b"Cookie:\t\r\n"
    b"Sec-WebSocket-Key: c2l4dGVlbiBieXRlcyBvaw==\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"\r\n"
)

LINES = [
    b"Host: a",
    b"host:b",
    b"Upgrade: websocket",
    b"X-Empty:",
    b"X-Spaces: \t a \t b \t ",
    b"X-Colons: a:b: c",
    b"Content-Length: 0",
    b"Content-Length: x",
    b"Transfer-Encoding: chunked",
    b"Expect: 100-continue",
    b"Connection: close",
    b" folded",
    b"\tfolded",
    b"X : space",
    b": no name",
    b"no colon",
    b"X-Latin: \xe4",
    b"X\xe4: name",
    b"X-Control: \x01\x7f\x0b",
    b"X-Nul: \x00",
    b"X-Return: a\rb",
    b"",
]
FIRSTS = [
    b"GET / HTTP/1.1",
    b"GET /a?b#c HTTP/1.1",
    b"GET * HTTP/1.1",
    b"GET  / HTTP/1.1",
    b"GET / HTTP/1.0",
    b"GET / HTTP/2.0",
    b"GET /\xe4 HTTP/1.1",
    b"GET / HTTP/1.1 ",
    b"get / HTTP/1.1",
    b"HEAD / HTTP/1.1",
    b"\r\nGET / HTTP/1.1",
    b"GET /",
]

lines, firsts = st.sampled_from(LINES), st.sampled_from(FIRSTS)
plain = st.lists(lines, max_size=6).map(lambda some: [b"Host: a", *some])


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Return a head made of likely and unlikely lines, with something behind it; perhaps a byte or two differ."""
    ends = st.sampled_from([b"\r\n"] * 6 + [b"\n", b"\r", b"\r\r\n"])
    first = draw(st.one_of(st.just(b"GET / HTTP/1.1"), firsts))
    fields = draw(st.one_of(plain, st.lists(lines, max_size=6)))
    data = b"".join(line + draw(ends) for line in (first, *fields, b"")) + draw(
        st.binary(max_size=6)
    )
    if draw(st.booleans()):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.binary(max_size=2)) + data[at + draw(st.integers(0, 1)) :]
    return data


@given(requests())
@example(BROWSER)
@example(BROWSER + b"\x81\x80mask")
def test_what_it_reads_is_what_h11_reads(data: bytes) -> None:
    agree(data)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("first", [b"GET / HTTP/1.1", *FIRSTS])
def test_each_line_alone(first: bytes, line: bytes) -> None:
    agree(b"\r\n".join([first, b"Host: a", line, b"", b""]))
    agree(b"\r\n".join([first, line, b"", b""]))


def agree(data: bytes) -> None:
    """Check that what is read is what h11 reads."""
    head = read_head(data, LIMIT)
    if head is None:
        return
    http = h11.Connection(h11.SERVER, max_incomplete_event_size=LIMIT)
    http.receive_data(data)
    request = http.next_event()
    assert isinstance(request, h11.Request)
    assert (request.method, request.http_version) == (b"GET", b"1.1")
    assert list(request.headers) == head.headers
    assert http.trailing_data[0] == head.rest


def test_a_browser_is_read() -> None:
    head = read_head(BROWSER + b"more", LIMIT)
    assert head is not None
    assert head.rest == b"more"
    assert dict(head.headers)[b"user-agent"] == b"Mozilla/5.0 (X11; Linux x86_64)"
    assert dict(head.headers)[b"cookie"] == b""


@pytest.mark.parametrize("at", range(len(BROWSER)))
def test_a_part_is_left_to_h11(at: int) -> None:
    assert read_head(BROWSER[:at], LIMIT) is None


def test_what_is_too_long_is_left_to_h11() -> None:
    assert read_head(BROWSER, len(BROWSER)) is not None
    assert read_head(BROWSER, len(BROWSER) - 1) is None
