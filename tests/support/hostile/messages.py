"""Random messages, most of them wrong: a good one that has been tampered with, in its text or in its structure."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, Final

from tests.support import frames

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

COLLECTIONS: Final = [f"/hostile/items/{name}" for name in ("a", "b", "c d", "e%20f", "ä")]
IDS: Final = ["a", "", " ", "toString", "__proto__", "\x00", "\ud800", "é" * 300, 7, None, True, {}]
ODD: Final[list[Any]] = [
    None, True, 0, -1, 0.5, 1e308, 10**30, 2**53, "", "/", "//", "/subs", "/clock", "REQUEST", "\u2028",
    "x" * 5_000, [], [[]], {}, {"id": "a"}, {"insert": []}, [None] * 500, {str(n): n for n in range(500)},
]  # fmt: skip
TOKENS: Final = [*rb'{ } [ ] , : " \u \ud800 null 1e999 NaN'.split(), b"\x00", b"\xff"]
TUNNELS: Final[list[Any]] = [1, "t", None, {"a": [1]}, 1e300]


def message(random: Random) -> bytes:
    """Return the payload of a text frame; one in a hundred has some hundred kilobytes."""
    made = _good(random)
    if random.random() < 0.01:
        made["arg"] = _large(random)
    if random.random() < 0.6:
        made = _structure(random, made)
    data = json.dumps(made, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")
    return _text(random, data) if random.random() < 0.4 else data


def _good(random: Random) -> dict[str, Any]:
    path = random.choice(COLLECTIONS)
    items = [{"id": f"i{random.randrange(50)}", "n": random.random()} for _ in range(3)]
    since = {"epoch": "e", "version": random.choice([0, 1, 2**53])}
    choices: list[tuple[str, str, Any]] = [
        ("GET", path, None),
        ("GET", path, {"since": since}),
        ("GET", random.choice(["/", "/hostile", "/hostile/items", "/clock", "/subs"]), None),
        ("GET", "/hostile/items", {"after": random.choice(["", "a", "\uffff"]), "limit": 3}),
        ("PUT", path, {"insert": items}),
        ("PUT", path, {"insert": items, "reset": True}),
        ("PUT", path, {"remove": [f"i{random.randrange(50)}"], "insert": items}),
        ("PUT", "/subs", {"insert": [[path, {}]], "reset": random.random() < 0.5}),
        ("PUT", "/subs", {"remove": COLLECTIONS, "brief": True}),
        ("PUT", "/subs", {"insert": [[path, {"since": since, "diffs": True}]]}),
    ]
    cmd, path, arg = random.choice(choices)
    made = {"type": "REQUEST", "cmd": cmd, "path": path, "tunnel": random.choice(TUNNELS)}
    return made if arg is None else {**made, "arg": arg}


def _large(random: Random) -> Any:
    shapes: list[Callable[[], Any]] = [
        lambda: {"insert": [{"id": f"i{n}", "t": "x" * 400} for n in range(500)]},
        lambda: {"remove": [f"i{n}" for n in range(20_000)]},
        lambda: {"insert": [[path, {}] for path in COLLECTIONS * 1_000]},
        lambda: {"insert": [[]] * 40_000},
        lambda: {"insert": [{"id": "a", "deep": json.loads("[" * 60 + "]" * 60)}]},
        lambda: {str(n): None for n in range(20_000)},
    ]
    return random.choice(shapes)()


def _structure(random: Random, whole: Any) -> Any:
    """Return it with one value, somewhere, in place of which another one stands; or without it."""
    whole = copy.deepcopy(whole)
    holder: Any = whole
    while True:
        keys: list[Any] = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            return whole
        key = random.choice(keys)
        if isinstance(holder[key], dict | list) and holder[key] and random.random() < 0.7:
            holder = holder[key]
        else:
            break
    if random.random() < 0.2:
        del holder[key]
    else:
        holder[key] = random.choice(IDS if key == "id" or random.random() < 0.3 else ODD)
    return whole


def _text(random: Random, data: bytes) -> bytes:
    """Return it cut off, with a bit turned, with something in its middle or with a part of it twice."""
    at = random.randrange(len(data))
    to = random.randrange(at, min(len(data), at + 50))
    ways = [
        data[:at],
        data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :],
        data[:at] + random.choice(TOKENS) + data[at:],
        data[:to] + data[at:],
        data[:at] + data[to:],
        random.choice([b"", b" ", b"[" * 3_000, b'{"a":' * 1_000, random.randbytes(50)]),
    ]
    return random.choice(ways)


def fragments(random: Random, payload: bytes) -> bytes:
    """Return it as a text message in one frame or in several, with a ping between them."""
    if random.random() < 0.9:
        return frames.encode(frames.TEXT, payload)
    at = random.randrange(len(payload) + 1)
    first = frames.encode(frames.TEXT, payload[:at], fin=False)
    last = frames.encode(frames.CONTINUATION, payload[at:])
    return first + frames.encode(frames.PING, b"between") + last
