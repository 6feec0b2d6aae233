"""Whoever does not read: others do not notice, the server keeps little for it, and it catches up."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, ClassVar

import anyio
import pytest

from sharedstate_anyio.connections.connection import Connection
from sharedstate_core import Limits
from sharedstate_core.messages import PIECE_BYTES
from tests.support import frames
from tests.support.peer import ClosedError, limit_buffers, open_client, open_clients, request
from tests.support.replica import Copy
from tests.support.services.servers import running, until

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from sharedstate_anyio.hub.peer import Peer
    from sharedstate_anyio.hub.shared import Shared

C = "/app/items/c"
SMALL = 256 * 1024
"""Size of socket buffers: soon full, whatever the machine would allow, but of several loopback segments."""

BIG = 64 * 1024


class Watched(Connection):
    """A connection of the server which notes the most bytes that it ever kept for its peer."""

    made: ClassVar[list[Watched]] = []

    def __init__(self, sock: socket.socket, shared: Shared) -> None:
        super().__init__(sock, shared)
        limit_buffers(sock, SMALL)
        self.most_kept = 0
        self.received = 0
        self.made.append(self)

    @property
    def kept(self) -> int:
        """Bytes that its socket has not taken."""
        return len(self._rest) + sum(map(len, self.queued or ()))

    def is_stuck(self) -> bool:
        """Whether its socket has not taken everything."""
        return self.is_blocked

    @property
    def paused(self) -> bool:
        """Whether the server has stopped reading from it."""
        return self._resumed is not None

    def send_frame(self, frame: bytes) -> None:
        super().send_frame(frame)
        self.most_kept = max(self.most_kept, self.kept)

    def send_pieces(self, pieces: Sequence[bytes]) -> None:
        super().send_pieces(pieces)
        self.most_kept = max(self.most_kept, self.kept)


@pytest.fixture(autouse=True)
def watched(monkeypatch: pytest.MonkeyPatch) -> list[Watched]:
    """Return the server's connections, in the order of their coming."""
    monkeypatch.setattr(Watched, "made", [])
    monkeypatch.setattr("sharedstate_anyio.connections.acceptor.Connection", Watched)
    return Watched.made


def kept(connections: list[Watched]) -> int:
    """Bytes that the sockets of those that are not closed have not taken."""
    return sum(each.kept for each in connections if not each._closing)


def big(number: int) -> dict[str, object]:
    return {"insert": [{"id": "big", "n": number, "text": "x" * BIG}]}


async def test_others_do_not_notice_and_it_catches_up(watched: list[Watched]) -> None:
    async with (
        running() as server,
        open_client(server.port, buffer=SMALL) as slow,
        open_clients(server.port, 2) as (writer, reader),
    ):
        copies = slow_copy, reader_copy = Copy(), Copy()
        for client, copy in zip((slow, reader), copies, strict=True):
            await client.subscribe(C)
            copy.take(await client.notification())
        count = blocked = 0
        while blocked < 20:  # the kernel may take some hundred kilobytes, and then a little more
            assert count < 1000, "the slow one is not slow enough for this test"
            await writer.put(C, big(count))
            count += 1
            message = await reader.notification()
            assert message["version"] == count, "the reader is told of each"
            reader_copy.take(message)
            blocked = blocked + 1 if watched[0].kept else 0
        assert watched[0].most_kept < 3 * BIG
        while slow_copy.version < count:
            slow_copy.take(await slow.notification())
        assert slow_copy.state == reader_copy.state
        assert len(slow_copy.seen) < count - 15, "what it missed came as one change"
        await writer.put(C, {"insert": [{"id": "after"}]})
        message = await slow.notification()
        assert (message["base"], message["version"]) == (count, count + 1)
        assert watched[0].most_kept < 3 * BIG


async def test_many_items_while_it_does_not_read(watched: list[Watched]) -> None:
    """The net change has removed, replaced and new items, and leads to the right state."""
    async with (
        running() as server,
        open_client(server.port, buffer=SMALL) as slow,
        open_clients(server.port, 1) as (writer,),
    ):
        copy = Copy()
        await writer.put(C, {"insert": [{"id": f"old {n}"} for n in range(50)]})
        await slow.subscribe(C)
        copy.take(await slow.notification())
        number = 0
        while not watched[0].kept:
            await writer.put(C, big(number))
            number += 1
        for n in range(50):
            change = {"remove": [f"old {n}"], "insert": [{"id": f"new {n}"}, {"id": "old 49"}]}
            await writer.put(C, change)
        last = await writer.ask("GET", C)
        while copy.version < last["version"]:
            copy.take(await slow.notification())
        assert copy.state == last["data"]


async def test_a_snapshot_larger_than_any_buffer() -> None:
    """It arrives whole, and what changed meanwhile comes after it."""
    async with (
        running() as server,
        open_client(server.port, buffer=SMALL) as slow,
        open_clients(server.port, 1) as (writer,),
    ):
        for number in range(10):
            insert = [{"id": f"{number} {n}", "text": "é" * BIG} for n in range(3)]
            await writer.put(C, {"insert": insert})
        copy = Copy()
        await slow.subscribe(C)
        await writer.put(C, {"remove": ["3 1"]})
        copy.take(await slow.notification())
        if copy.version == 10:
            assert len(copy.state) == 30
            copy.take(await slow.notification())
        assert copy.version == 11
        assert copy.state == await writer.get(C)


async def test_a_snapshot_in_parts() -> None:
    async with running() as server, open_clients(server.port, 2) as (writer, reader):
        insert = [{"id": str(n), "text": "x" * BIG} for n in range(12)]
        await writer.put(C, {"insert": insert})
        await reader.put("/subs", {"insert": [[C, {"parts": True}]]})
        parts = [await reader.notification()]
        while parts[-1].get("more"):
            parts.append(await reader.notification())
        assert len(parts) > 1
        assert [part["data"]["reset"] for part in parts] == [True] + [False] * (len(parts) - 1)
        assert [item for part in parts for item in part["data"]["insert"]] == insert


async def test_who_asks_without_reading_is_not_heard_for_a_while(watched: list[Watched]) -> None:
    """Its requests wait in its own socket; all are answered once it reads."""
    count, size = 300, 16 * 1024
    async with (
        running() as server,
        open_client(server.port, buffer=SMALL) as greedy,
        open_clients(server.port, 1) as (canary,),
        anyio.create_task_group() as tasks,
    ):
        sent = 0

        async def ask() -> None:
            nonlocal sent
            for number in range(count):
                tunnel = [number, "x" * size]
                await greedy.send_text(request("GET", "/", tunnel=tunnel))
                sent += 1

        tasks.start_soon(ask)
        await until(lambda: watched[0].paused)
        for number in range(50):
            await canary.put(C, {"insert": [{"id": str(number)}]})
        assert watched[0].paused
        assert sent < count, "the server took everything"
        assert watched[0].most_kept < 1024 * 1024
        for number in range(count):
            assert (await greedy.message())["tunnel"][0] == number
        assert not watched[0].paused
        assert await greedy.get("/") == ["items"]


async def test_large_answers_to_small_questions(watched: list[Watched]) -> None:
    """Many requests in one piece, each with a long answer: no more than a few answers are kept."""
    count = 40
    async with (
        running() as server,
        open_client(server.port, buffer=SMALL) as greedy,
        open_clients(server.port, 1) as (canary,),
    ):
        await canary.put(C, {"insert": [{"id": str(n), "text": "x" * BIG} for n in range(8)]})
        whole = await canary.get(C)
        texts = [request("GET", C, tunnel=number) for number in range(count)]
        await greedy.peer.send(b"".join(map(frames.encode_text, texts)))
        await until(lambda: watched[0].paused)
        for _ in range(20):
            await canary.get("/clock")
        assert watched[0].most_kept < 4 * 8 * BIG
        for number in range(count):
            reply = await greedy.message()
            assert reply["tunnel"] == number
            assert reply["data"] == whole


async def test_a_writer_that_does_not_read_sees_its_updates_before_their_answers() -> None:
    count = 60
    async with running() as server, open_client(server.port, buffer=SMALL) as writer:
        copy = Copy()
        await writer.subscribe(C)
        copy.take(await writer.notification())

        async def write() -> None:
            for number in range(count):
                await writer.send_text(request("PUT", C, big(number), tunnel=number))

        answered = 0
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write)
            while answered < count:
                message = await writer.message()
                if message["type"] == "REPLY":
                    assert message["ok"]
                    assert message["tunnel"] == answered
                    assert copy.version >= message["version"]
                    answered += 1
                else:
                    copy.take(message)
        assert copy.version == count


async def test_who_never_reads_is_let_go(
    monkeypatch: pytest.MonkeyPatch, watched: list[Watched]
) -> None:
    """After a while that is a limit of the server; who wakes up in time to be told, is told."""
    monkeypatch.setattr("sharedstate_anyio.connections.connection.CLOSE_SECONDS", 0.2)
    async with (
        running(limits=Limits(drain_seconds=0.05)) as server,
        open_client(server.port, buffer=SMALL) as dead,
        open_clients(server.port, 1) as (writer,),
    ):
        await dead.subscribe(C)
        await dead.notification()
        number = 0
        while watched[0] in open_peers(watched[1]):
            await writer.put(C, big(number % 2))
            number += 1
            assert number < 20_000
        assert len(open_peers(watched[1])) == 1
        assert watched[0].most_kept < 3 * BIG


async def test_who_wakes_up_too_late_is_told(
    monkeypatch: pytest.MonkeyPatch, watched: list[Watched]
) -> None:
    monkeypatch.setattr("sharedstate_anyio.connections.connection.CLOSE_SECONDS", 20.0)
    async with (
        running(limits=Limits(drain_seconds=0.05)) as server,
        open_client(server.port, buffer=SMALL) as sleepy,
        open_clients(server.port, 1) as (writer,),
    ):
        await sleepy.subscribe(C)
        number = 0
        while not watched[0]._closing:
            await writer.put(C, big(number))
            number += 1
            assert number < 20_000
        with pytest.raises(ClosedError) as caught:  # noqa: PT012
            while True:
                await sleepy.notification()
        assert caught.value.code == 1008
        sleepy.peer.shut()


def open_peers(connection: Watched) -> set[Peer]:
    return connection._shared.driver._peers


async def test_many_subscribers_some_asleep(watched: list[Watched]) -> None:
    """The broadcast goes on for the others, whoever sleeps."""
    async with (
        running() as server,
        open_clients(server.port, 20) as clients,
        open_client(server.port, buffer=SMALL) as asleep,
    ):
        copies = [Copy() for _ in clients]
        for client in (*clients, asleep):
            await client.subscribe(C)
        writer = clients[0]
        for number in range(30):
            tunnel = await writer.send("PUT", C, big(number))
            assert (await writer.reply(tunnel))["ok"]
            for client, copy in zip(clients, copies, strict=True):
                while copy.version <= number:
                    copy.take(await client.notification())
        assert all(copy.version == 30 for copy in copies)
        assert len({json.dumps(copy.state) for copy in copies}) == 1
        assert watched[20].most_kept < 3 * BIG


async def test_large_broadcasts_that_only_one_reader_keeps_are_bounded_together(
    watched: list[Watched],
) -> None:
    """Each stuck reader holds a message of its own; beyond the bound those go that were stuck before."""
    readers, size = 6, 32 * BIG
    limits = Limits(owed_bytes=3 * size, drain_seconds=5)
    async with (
        running(limits=limits) as server,
        open_clients(server.port, 1) as (writer,),
        AsyncExitStack() as stack,
    ):
        stuck = []
        for number in range(readers):
            await writer.put(C, {"insert": [{"id": "big"}]})
            reader = await stack.enter_async_context(open_client(server.port, buffer=SMALL))
            await reader.subscribe(C)
            copy = Copy()
            copy.take(await reader.notification())
            await writer.put(C, {"insert": [{"id": "big", "text": str(number) * size}]})
            await until(watched[-1].is_stuck)
            stuck.append(watched[-1])
        await until(lambda: kept(stuck) <= limits.owed_bytes)
        left = [each for each in stuck if not each._closing]
        assert left[-2:] == stuck[-2:]
        assert len(left) < readers
        await until(lambda: len(open_peers(watched[0])) == 1 + len(left))
        while copy.version < 2 * readers:  # the last one reads on
            copy.take(await reader.notification())
        assert copy.state == await writer.get(C)


async def test_who_is_sent_away_for_want_of_memory_is_told_in_the_middle_of_a_message(
    watched: list[Watched],
) -> None:
    """Its socket is full of a message, the rest of which is dropped, but for the frame under way."""
    items = [{"id": str(n), "text": "x" * BIG} for n in range(20)]
    async with (
        running(limits=Limits(owed_bytes=5 * BIG, drain_seconds=5)) as server,
        open_client(server.port, buffer=SMALL) as first,
        open_client(server.port, buffer=SMALL) as second,
        open_clients(server.port, 1) as (writer,),
    ):
        for path in (C, "/app/items/d"):
            await writer.put(path, {"insert": items})
        await first.send_text(request("GET", C))
        await until(watched[0].is_stuck)
        await second.send_text(request("GET", "/app/items/d"))
        await until(lambda: watched[0]._closing)
        assert watched[0].kept < 2 * PIECE_BYTES
        with pytest.raises(ClosedError, match="out of memory") as caught:
            await first.message()
        assert caught.value.code == 1008
        assert len((await second.message())["data"]) == len(items)
