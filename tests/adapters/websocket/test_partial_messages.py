"""Messages that begin and do not end: bounded in bytes, over all connections, and in time."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, ClassVar

import pytest

from sharedstate_anyio import parse_config, serve
from sharedstate_anyio.config.config import Config
from sharedstate_anyio.config.limits import TransportLimits
from sharedstate_anyio.config.live import LiveConfig
from sharedstate_anyio.websocket.partial_messages import PROGRESS_BYTES, PartialMessages
from tests.support import frames
from tests.support.peer import ClosedError, open_client, request
from tests.support.services.servers import document, running, until

if TYPE_CHECKING:
    from sharedstate_anyio.websocket.partial_messages import Sender

PART = 32 * 1024


class Noted(PartialMessages):
    """Notes what was ever kept."""

    made: ClassVar[list[Noted]] = []

    def __init__(self, live: LiveConfig) -> None:
        super().__init__(live)
        self.total = 0
        self.highest = 0
        self.made.append(self)

    def add(self, connection: Sender, text: str) -> int:
        size = super().add(connection, text)
        self.total += len(text)
        self.highest = max(self.highest, self.bytes)
        return size


@pytest.fixture(autouse=True)
def noted(monkeypatch: pytest.MonkeyPatch) -> list[Noted]:
    monkeypatch.setattr(Noted, "made", [])
    monkeypatch.setattr("sharedstate_anyio.hub.hub.PartialMessages", Noted)
    return Noted.made


async def test_beyond_the_bound_those_go_that_began_first(noted: list[Noted]) -> None:
    """By one frame that does not end or by parts of a message, all the same."""
    limits = TransportLimits(unfinished_bytes=4 * PART)
    text = request("GET", "/", tunnel="é" + "x" * PART).encode()
    async with running(transport=limits) as server, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(open_client(server.port)) for _ in range(7)]
        for number, client in enumerate(clients, 1):
            if number % 2:
                begin = frames.encode(frames.TEXT, b" " * PART, fin=False)
            else:
                begin = frames.encode(frames.TEXT, b" " * 3 * PART)[: 14 + PART]
            await client.peer.send(begin)
            await until(lambda: noted[0].total == number * PART)  # noqa: B023
        assert noted[0].bytes == 4 * PART
        assert noted[0].highest <= 5 * PART
        for client in clients[:3]:
            with pytest.raises(ClosedError) as caught:
                await client.message()
            said = caught.value.code, caught.value.reason
            assert said == (1008, "the server has no memory for unfinished messages")
        await clients[-1].peer.send(frames.encode(frames.CONTINUATION, text))
        assert (await clients[-1].message())["tunnel"] == "é" + "x" * PART
        assert noted[0].bytes <= 3 * PART
        for client in clients[3:]:
            client.peer.close()
        await until(lambda: not noted[0].bytes)


async def test_one_message_may_exceed_the_bound(noted: list[Noted]) -> None:
    text = request("GET", "/", tunnel="x" * 8 * PART)
    limits = TransportLimits(unfinished_bytes=PART)
    async with running(transport=limits) as server, open_client(server.port) as client:
        await client.send_text(text)
        assert (await client.message())["ok"]
    assert noted[0].highest > PART


async def test_a_message_that_does_not_end_is_not_waited_for() -> None:
    limits = TransportLimits(message_seconds=0.05)
    async with running(transport=limits) as server, open_client(server.port) as client:
        assert await client.get("/") == ["items"]
        await client.peer.send(frames.encode(frames.TEXT, b"{", fin=False))
        with pytest.raises(ClosedError) as caught:
            await client.message()
        said = caught.value.code, caught.value.reason
        assert said == (1008, "a message did not arrive in time")


class Slow:
    """A connection, as far as it matters here."""

    def __init__(self) -> None:
        self.is_listening = True
        self.closed = ""

    def close(self, code: int, reason: str) -> None:
        assert code == 1008
        self.closed = reason


def allowing(seconds: float) -> Config:
    return Config(transport=TransportLimits(message_seconds=seconds))


async def turn(partial_messages: PartialMessages, ticks: int) -> None:
    """Let time pass."""
    for _ in range(ticks):
        await partial_messages._tick()


@pytest.mark.parametrize("obstacle", ["paused", "progress", "none"])
async def test_who_makes_progress_or_is_not_read_from_stays(obstacle: str) -> None:
    partial_messages = PartialMessages(LiveConfig(allowing(10)))
    connection = Slow()
    partial_messages.add(connection, "é")
    connection.is_listening = obstacle != "paused"
    for _ in range(5):
        await turn(partial_messages, 9)
        if obstacle == "progress":
            partial_messages.add(connection, "x" * PROGRESS_BYTES)
        else:
            partial_messages.add(connection, "x")
    if obstacle == "none":
        assert connection.closed == "a message did not arrive in time"
        return
    assert not connection.closed
    more = 5 * (PROGRESS_BYTES if obstacle == "progress" else 1)
    assert partial_messages.bytes == 2 + more
    assert partial_messages.take(connection) == "é" + "x" * more
    assert partial_messages.bytes == 0
    await turn(partial_messages, 100)
    assert not connection.closed


async def test_another_time_holds_with_the_next_tick_also_for_a_message_that_has_begun() -> None:
    live = LiveConfig(allowing(3600))
    partial_messages = PartialMessages(live)
    connection, later = Slow(), Slow()
    partial_messages.add(connection, "x")
    live.now = allowing(2)
    await turn(partial_messages, 1)
    assert partial_messages._wheel.tick == 0.5
    await turn(partial_messages, 3)
    live.now = allowing(2)  # as it is: nothing begins anew
    partial_messages.add(later, "x")
    assert [connection.closed, later.closed] == ["", ""]
    await turn(partial_messages, 1)
    assert [connection.closed, later.closed] == ["a message did not arrive in time", ""]
    live.now = allowing(0.04)
    await turn(partial_messages, 5)
    assert later.closed
    assert partial_messages.bytes == 0


async def test_a_shorter_time_of_a_new_configuration(noted: list[Noted]) -> None:
    old, new = (
        parse_config({**document(), "limits": {"message_seconds": s}}) for s in (3600, 0.05)
    )
    async with serve(old) as server, open_client(server.port) as client:
        assert await client.get("/") == ["items"]
        await client.peer.send(frames.encode(frames.TEXT, b"{", fin=False))
        await until(lambda: noted[0].bytes == 1)
        server.reload(new)
        with pytest.raises(ClosedError) as caught:
            await client.message()
        assert caught.value.reason == "a message did not arrive in time"
