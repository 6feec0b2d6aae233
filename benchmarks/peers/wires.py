"""What the crowd says to each server: as little of its protocol as joining and writing take.

Every item carries a text that holds `MARK` once, so that items received are counted, whatever wraps them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from benchmarks.crowd import PATH, frame, raw_frame, subscribe

if TYPE_CHECKING:
    from collections.abc import Sequence

MARK: Final = b"<END>"
TEXT_BYTES: Final = 150
"""Of an item's text: a message is of about 200 bytes, whatever wraps it."""


def text(size: int = TEXT_BYTES) -> str:
    """Return the text of an item."""
    return "y" * (size - len(MARK)) + MARK.decode()


class Relay:
    """Servers that send to all what one of them sends, and no more.

    Attributes:
        keeps: whether the server keeps a copy, which a client may join, and resume.
        path: of the URL.
        greeting: what tells a client that it is connected.
        opening: what it says then; b"": nothing.
        ready: what it gets for that, when there is nothing to tell yet.
        echo: whether a writer gets its own messages, too.
        answer: what a writer gets for each.
    """

    keeps = False
    path = "/"
    greeting = b"hello"
    opening = b""
    ready = b""
    echo = True
    answer = MARK

    def write(self, ids: Sequence[str], size: int = TEXT_BYTES) -> bytes:
        """Return the frames that write an item with a text of `size` bytes for each id, an update for each."""
        return b"".join(frame({"id": id, "text": text(size)}) for id in ids)

    def resume(self, missed: int) -> bytes:
        """Return the frame that joins, having missed the last updates, so many of them."""
        raise NotImplementedError


class SharedState(Relay):
    """This project; the writer subscribes to nothing."""

    keeps = True
    greeting = b"\r\n\r\n"
    opening = subscribe(PATH)
    ready = b'"NOTIFY"'
    echo = False
    answer = b'"ok":true'

    def __init__(self) -> None:
        self._version = 1

    def write(self, ids: Sequence[str], size: int = TEXT_BYTES) -> bytes:
        """Return an update for each."""
        self._version += len(ids)
        return b"".join(self._update({"id": id, "text": text(size)}) for id in ids)

    def resume(self, missed: int) -> bytes:
        """Return a subscription with a cursor (of `benchmarks.no_storage`)."""
        since = {"epoch": "none", "version": self._version - missed}
        insert = [[PATH, {"since": since}]]
        return frame({"type": "REQUEST", "cmd": "PUT", "path": "/subs", "arg": {"insert": insert}})

    def _update(self, item: dict[str, str]) -> bytes:
        arg = {"insert": [item]}
        return frame({"type": "REQUEST", "cmd": "PUT", "path": PATH, "tunnel": 1, "arg": arg})


class SocketIo(Relay):
    """Engine.IO 4, WebSocket from the start."""

    path = "/socket.io/?EIO=4&transport=websocket"
    greeting = b'0{"sid"'
    opening = raw_frame(b"40")
    ready = b'42["hello"'

    def write(self, ids: Sequence[str], size: int = TEXT_BYTES) -> bytes:
        """Return an event for each."""
        items = (json.dumps({"id": id, "text": text(size)}, separators=(",", ":")) for id in ids)
        return b"".join(raw_frame(f'42["update",{item}]'.encode()) for item in items)


class ShareDb(Relay):
    """ShareDB's protocol: operations of the type json0 on one document, at whatever version it has."""

    keeps = True
    greeting = b'"init"'
    opening = frame({"a": "s", "c": "items", "d": "list"})
    ready = b'"data":{'
    echo = False
    answer = b'"a":"op"'

    def __init__(self) -> None:
        self._sequence = 0
        self._version = 1

    def write(self, ids: Sequence[str], size: int = TEXT_BYTES) -> bytes:
        """Return an operation for each, of one author."""
        return b"".join(self._operation({"id": id, "text": text(size)}) for id in ids)

    def _operation(self, item: dict[str, str]) -> bytes:
        self._sequence += 1
        self._version += 1
        message: dict[str, Any] = {"a": "op", "c": "items", "d": "list", "v": None}
        operation = {"p": [item["id"]], "oi": item}
        return frame(message | {"seq": self._sequence, "x": {}, "op": [operation]})

    def resume(self, missed: int) -> bytes:
        """Return a subscription from an earlier version on."""
        return frame({"a": "s", "c": "items", "d": "list", "v": self._version - missed})


class Yjs(Relay):
    """The protocols of Yjs (lib0's encoding, updates of version 1): sets keys of the map `items`."""

    keeps = True
    path = "/list"
    greeting = b"\r\n\r\n"
    ready = b"\x00\x01\x02\x00\x00"  # step 2 with nothing in it
    _client: Final = 7

    def __init__(self) -> None:
        self._clock = 0
        self._last: dict[str, int] = {}

    opening = raw_frame(b"\x00\x00\x01\x00", 2)  # step 1: I know of no client

    def write(self, ids: Sequence[str], size: int = TEXT_BYTES) -> bytes:
        """Return an update for each, of one author."""
        return b"".join(self._update(id, text(size)) for id in ids)

    def _update(self, id: str, text: str) -> bytes:
        head = _numbers(1, 1, self._client, self._clock)
        if id in self._last:  # the item that this one replaces
            struct = b"\xa8" + _numbers(self._client, self._last[id])
        else:
            struct = b"\x28" + _numbers(1) + _string("items") + _string(id)
        value = _numbers(1) + b"\x77" + _string(text)
        update = head + struct + value + _numbers(0)
        self._last[id] = self._clock
        self._clock += 1
        return raw_frame(_numbers(0, 2, len(update)) + update, 2)

    def resume(self, missed: int) -> bytes:
        """Return step 1 with what is known already."""
        vector = _numbers(1, self._client, self._clock - missed)
        return raw_frame(_numbers(0, 0, len(vector)) + vector, 2)


def _numbers(*values: int) -> bytes:
    return b"".join(map(_number, values))


def _number(value: int) -> bytes:
    """Seven bits to a byte, the low ones first."""
    head = bytearray()
    while value > 127:
        head.append(value & 127 | 128)
        value >>= 7
    return bytes((*head, value))


def _string(text: str) -> bytes:
    return _number(len(text)) + text.encode()
