"""However little or much a socket accepts at a time, a peer gets every byte once, in order, and no frame is torn."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharedstate_anyio.websocket.frames import LARGE_BYTES, close_frame, fragments
from sharedstate_anyio.websocket.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ALL = 1 << 30


class Sipping(socket.socket):
    """A socket that accepts a given number of bytes at a time, everything in the end; it is always writable."""

    def sip(self, sizes: Iterable[int]) -> None:
        """Accept so many bytes each time; 0 for none."""
        self.sizes: Iterator[int] = iter(sizes)
        self.accepted = b""
        self.most = 0

    def sendmsg(self, pieces: Iterable[bytes | memoryview], /, *_: Any) -> int:  # type: ignore[override]
        texts = [bytes(piece) for piece in pieces]
        if not (taken := b"".join(texts)[: next(self.sizes, ALL)]):
            raise BlockingIOError
        self.accepted += taken
        self.most = max(self.most, len(texts))
        return len(taken)

    def send(self, data: bytes | memoryview, /, *_: Any) -> int:  # type: ignore[override]
        return self.sendmsg((data,))


class Alone(Writer):
    """A connection that nobody flushes by itself."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock, cast("Any", self))

    def queue(self, connection: Writer) -> None: ...

    def blocked(self) -> None: ...

    def progressed(self) -> None: ...

    def drained(self) -> None: ...

    def abort(self) -> None:
        raise AssertionError("the socket has not failed")

    def give_up(self) -> None:
        """Close as the core does when memory is short."""
        self._cut()
        self._end_with(1008, "no")


def connection(sizes: Iterable[int]) -> tuple[Alone, Sipping]:
    sock = Sipping()
    sock.sip(sizes)
    return Alone(sock), sock


sips = st.lists(st.sampled_from([0, 1, 5, 10, 11, 300, LARGE_BYTES, 3 * LARGE_BYTES]), max_size=12)
messages = st.lists(st.lists(st.sampled_from([1, 300, LARGE_BYTES]), max_size=40), max_size=4)
"""Each consists of pieces of these sizes, and of a last one, which may be short."""


def send(writer: Alone, messages: Iterable[list[int]]) -> bytes:
    sent = b""
    for number, sizes in enumerate(messages):
        frames = fragments([bytes([number]) * size for size in (*sizes, 7)])
        writer.send_pieces(frames)
        sent += b"".join(frames)
    return sent


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@given(messages, messages, sips)
def test_every_byte_arrives_once_in_order(
    backend: str, first: list[list[int]], then: list[list[int]], sizes: list[int]
) -> None:
    writer, sock = connection(sizes)
    with sock:
        sent = send(writer, first)
        writer.flush()
        sent += send(writer, then)  # behind what may be kept
        writer.flush()
        anyio.run(writer.drain, backend=backend)
        assert sock.accepted == sent
        assert not writer.unsent
        assert writer.queued is None


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@given(messages, sips)
def test_who_is_given_up_gets_a_close_frame_behind_a_whole_one(
    backend: str, several: list[list[int]], sizes: list[int]
) -> None:
    writer, sock = connection(sizes)
    with sock:
        send(writer, several)
        writer.flush()
        writer.give_up()
        writer.flush()
        anyio.run(writer.drain, backend=backend)
        *_, last = whole_frames(sock.accepted)
        assert last == close_frame(1008, "no")


def whole_frames(data: bytes) -> Iterator[bytes]:
    while data:
        size, head = data[1], 2
        if size > 125:
            head = 4 if size == 126 else 10
            size = int.from_bytes(data[2:head])
        assert len(data) >= head + size, "a frame is torn"
        yield data[: head + size]
        data = data[head + size :]


@pytest.mark.skipif(not hasattr(socket.socket, "sendmsg"), reason="it takes one at a time")
def test_pieces_of_a_long_message_go_out_together() -> None:
    writer, sock = connection([])
    with sock:
        sent = send(writer, [[LARGE_BYTES] * 20])
        writer.flush()
        assert sock.accepted == sent
        assert sock.most > 40
