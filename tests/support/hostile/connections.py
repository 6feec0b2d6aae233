"""Random connections, all of them odd: requests and frames that are wrong, ends in the middle, and silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tests.support import frames
from tests.support.peer import upgrade_request

from .messages import fragments, message

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

ENDS: Final = ("shut", "reset", "close", "read")


class Odd(NamedTuple):
    """What an odd connection does.

    Attributes:
        pieces: what it sends, one after the other, without waiting for an answer.
        end: "shut" says that nothing more comes and reads to the end; "reset" vanishes; "close" leaves; "read" reads
            what comes for a while, and leaves.
    """

    pieces: tuple[bytes, ...]
    end: str


def odd(random: Random) -> Odd:
    """Return a connection."""
    kinds: list[Callable[[Random], bytes]] = [
        _nothing, _noise, _request, _tampered, _request_line, _headers, _frames, _frames, _half, _close,
    ]  # fmt: skip
    data = random.choice(kinds)(random)
    if random.random() < 0.2:
        data = data[: random.randrange(len(data) + 1)]
    step = random.choice([1, 7, 100, 100_000])
    cut = min(len(data), 40 * step)
    pieces = [data[at : at + step] for at in range(0, cut, step)]
    return Odd((*pieces, data[cut:]), random.choice(ENDS))


def _nothing(_: Random) -> bytes:
    return b""


def _noise(random: Random) -> bytes:
    return random.randbytes(random.choice([1, 10, 1_000, 20_000]))


def _request(random: Random) -> bytes:
    """Return one or several requests for what there is, and is not."""
    paths = [
        "/",
        "/healthz",
        "/metrics",
        "/readyz",
        "/pages/todo.html",
        "/../etc/passwd",
        "*",
        "/%00",
        "/" + "a" * 9_000,
    ]
    method = random.choice(["GET", "HEAD", "POST", "CONNECT", "get", "OPTIONS", "PRI"])
    host = random.choice(["127.0.0.1", "evil.example", "", "a" * 300, "[::1", "127.0.0.1:99999"])
    version = random.choice(["HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "http/1.1", ""])
    length = random.choice(
        ["", "Content-Length: 5\r\n", "Content-Length: -1\r\n", "Transfer-Encoding: chunked\r\n"]
    )
    head = f"{method} {random.choice(paths)} {version}\r\nHost: {host}\r\n{length}\r\n"
    return head.encode() * random.choice([1, 1, 30])


def _tampered(random: Random) -> bytes:
    """Return a handshake in which one byte is another, and frames behind it."""
    data = bytearray(upgrade_request())
    data[random.randrange(len(data))] = random.randrange(256)
    return bytes(data) + fragments(random, message(random))


def _request_line(random: Random) -> bytes:
    return b"GET " + random.choice([b"\xff" * 50, b" ", b"x" * 70_000]) + b" HTTP/1.1\r\n\r\n"


def _headers(random: Random) -> bytes:
    changes: dict[str, str | None] = {
        "Sec_WebSocket_Key": random.choice(["", "short", "x" * 5_000, None]),
        "Sec_WebSocket_Version": random.choice(["13", "8", "x", None]),
        "Origin": random.choice(["http://evil.example", "null", "", None]),
        "Sec_WebSocket_Extensions": random.choice(
            ["permessage-deflate; client_max_window_bits=99", "x" * 1_000, ";;,", None]
        ),
    }
    return upgrade_request("/", **changes) + fragments(random, message(random))


def _frames(random: Random) -> bytes:
    """Return a good handshake and a few frames of which some break a rule."""
    return upgrade_request() + b"".join(_frame(random) for _ in range(random.randrange(1, 9)))


def _frame(random: Random) -> bytes:
    if random.random() < 0.5:
        return fragments(random, message(random))
    payload = random.randbytes(random.choice([0, 1, 2, 125, 126, 3_000]))
    data = frames.encode(
        random.randrange(16),
        payload,
        fin=random.random() < 0.7,
        rsv=random.choice([0, 0, 0, 1, 2, 4, 7]),
        masked=random.random() < 0.8,
    )
    return data if random.random() < 0.8 else data[:1] + random.randbytes(9) + data[1:]


def _half(random: Random) -> bytes:
    """Return a handshake and a message that never arrives whole."""
    whole = frames.encode(frames.TEXT, b"x" * random.choice([10, 1_000, 900_000]))
    return upgrade_request() + whole[: random.randrange(1, len(whole))]


def _close(random: Random) -> bytes:
    code = random.choice([0, 999, 1000, 1004, 1005, 1006, 1012, 3000, 4999, 65535])
    reason = random.choice([b"", b"bye", b"\xff", b"x" * 123])
    return upgrade_request() + frames.encode_close(code, reason) * random.choice([1, 3])
