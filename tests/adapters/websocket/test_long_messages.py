"""A long message goes out in several turns of the loop, however fast its peer reads; no piece is looked at often."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, cast

from sharedstate_anyio.websocket.frames import LARGE_BYTES
from sharedstate_anyio.websocket.writer import TURN_BYTES, Flushing, Writer

if TYPE_CHECKING:
    from sharedstate_anyio.net.sockets import Stream


class Hungry:
    """A socket that accepts everything; to wait for it, there is a real one."""

    def __init__(self) -> None:
        self.accepted: list[int] = []
        self._real, self._other = socket.socketpair()

    def send(self, data: bytes) -> int:
        self.accepted.append(len(data))
        return len(data)

    def fileno(self) -> int:
        return self._real.fileno()

    def close(self) -> None:
        self._real.close()
        self._other.close()


class Nobody:
    def queue(self, connection: Writer) -> None:
        pass


class Noting(Writer):
    def __init__(self, sock: Hungry) -> None:
        super().__init__(cast("Stream", sock), cast("Flushing", Nobody()))
        self.said: list[str] = []

    def blocked(self) -> None:
        self.said.append("blocked")

    def progressed(self) -> None:
        self.said.append("progressed")

    def drained(self) -> None:
        self.said.append("drained")

    def abort(self) -> None:
        self.said.append("aborted")


class Piece(bytes):
    """A piece that notes when its length is asked for."""

    asked = 0

    def __len__(self) -> int:
        Piece.asked += 1
        return super().__len__()


async def test_a_long_message_goes_out_in_several_turns() -> None:
    sock = Hungry()
    writer = Noting(sock)
    size, count = LARGE_BYTES, 3 * TURN_BYTES // LARGE_BYTES
    writer.send_pieces([b"y" * size] * count)
    writer.flush()
    assert TURN_BYTES <= sum(sock.accepted) < TURN_BYTES + 2 * size
    assert writer.said == ["blocked"]
    assert writer.is_blocked
    await writer.drain()
    assert sum(sock.accepted) == count * size
    assert {*writer.said[1:-1]} == {"progressed"}
    assert writer.said[-1] == "drained"
    sock.close()


def test_each_piece_is_looked_at_a_few_times() -> None:
    sock = Hungry()
    writer = Noting(sock)
    count = TURN_BYTES // LARGE_BYTES - 2
    writer.send_pieces([Piece(b"y" * LARGE_BYTES)] * count)
    Piece.asked = 0
    writer.flush()
    assert len(sock.accepted) == count
    assert not writer.is_blocked
    assert Piece.asked <= 5 * count
    sock.close()
