"""Many write and watch one collection at once: all see states of one sequence, and storage has the last."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from tests.support import frames
from tests.support.peer import Client, Message, open_client, open_clients, request
from tests.support.replica import Copy, agree, apply
from tests.support.services.servers import running, sqlite

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

C = "/app/items/c"
WRITERS = 5
ROUNDS = 60


def updates(name: str, dice: random.Random, *, resets: bool) -> list[dict[str, Any]]:
    """Return what one writer does: items of its own, a shared item, now and then something drastic."""
    made: list[dict[str, Any]] = []
    for number in range(ROUNDS):
        insert = [{"id": f"{name}-{number}-{part}"} for part in range(dice.randint(1, 3))]
        update: dict[str, Any] = {"insert": [*insert, {"id": "shared", "by": [name, number]}]}
        if dice.random() < 0.3:
            back = dice.randrange(number + 1)
            update["remove"] = [f"{name}-{back}-0", "shared" if dice.random() < 0.5 else "absent"]
        if resets and dice.random() < 0.05:
            update["reset"] = True
        made.append(update)
        if dice.random() < 0.1:
            made.append({})
    return made


class Writer:
    """Sends its updates in pipelined bursts; watches the collection itself if it has a copy."""

    def __init__(self, client: Client, made: list[dict[str, Any]], copy: Copy | None) -> None:
        self.client = client
        self.made = made
        self.copy = copy
        self.replies: list[Message] = []

    async def run(self, dice: random.Random) -> None:
        if self.copy is not None:
            await self.client.subscribe(C)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._listen)
            start = 0
            while start < len(self.made):
                burst = self.made[start : start + dice.randint(1, 12)]
                texts = [request("PUT", C, u, tunnel=start + n) for n, u in enumerate(burst)]
                start += len(burst)
                await self.client.peer.send(b"".join(map(frames.encode_text, texts)))
                await anyio.lowlevel.checkpoint()

    async def _listen(self) -> None:
        while len(self.replies) < len(self.made):
            message = (
                self.client.told.popleft() if self.client.told else await self.client.message()
            )
            if message["type"] == "REPLY":
                assert message["ok"], message
                assert message["tunnel"] == len(self.replies), "answers come in the order asked"
                if self.copy is not None:
                    assert self.copy.version >= message["version"], "its own copy is behind"
                self.replies.append(message)
            elif self.copy is not None:
                self.copy.take(message)


async def watch(client: Client, copy: Copy, finished: anyio.Event, dice: random.Random) -> None:
    """Subscribe and unsubscribe all the while, pipelined, and stay subscribed in the end."""
    subscribed = False
    while True:
        last = finished.is_set()
        wishes = [dice.random() < 0.6 for _ in range(dice.randint(1, 3))]
        wishes += [True] if last else []
        for wish in wishes:
            arg = {"insert": [[C, {}]] if wish else [], "reset": True}
            await client.send("PUT", "/subs", arg, tunnel=wish)
        answered = 0
        synchronised = subscribed
        while answered < len(wishes) or (subscribed and not synchronised):
            message = await client.message()
            if message["type"] == "REPLY":
                assert message["tunnel"] == wishes[answered]
                answered += 1
                if subscribed and not message["tunnel"]:
                    copy.leave()
                    synchronised = False
                subscribed = message["tunnel"]
            else:
                assert subscribed, "told what it did not ask for"
                copy.take(message)
                synchronised = True
        if last:
            return


async def follow(client: Client, copy: Copy, version: int) -> None:
    """Take what comes until a version is reached."""
    while copy.version < version:
        copy.take(await client.notification())


class Commotion:
    """Writers and watchers at work at the same time.

    The first two writers watch as well. The first two watchers stay, the others come and go.
    """

    def __init__(self, seed: int, *, resets: bool) -> None:
        self._seed = seed
        dice = random.Random(seed)
        self.made = [updates(f"w{n}", dice, resets=resets) for n in range(WRITERS)]
        self.copies = [Copy() for _ in range(8)]
        self.writers: list[Writer] = []
        self.final: Message = {}

    async def run(self, writing: Sequence[Client], watching: Sequence[Client]) -> None:
        """Let them loose, and return when everything has been said."""
        for number, (client, made) in enumerate(zip(writing, self.made, strict=True)):
            self.writers.append(Writer(client, made, self.copies[number] if number < 2 else None))
        for client in watching[:2]:
            await client.subscribe(C)
        finished = anyio.Event()
        async with anyio.create_task_group() as watchers:
            for client, copy in zip(watching[2:], self.copies[4:], strict=True):
                watchers.start_soon(watch, client, copy, finished, random.Random(self._seed))
            async with anyio.create_task_group() as tasks:
                for writer in self.writers:
                    tasks.start_soon(writer.run, random.Random(self._seed))
            finished.set()
        self.final = await writing[-1].ask("GET", C)
        clients = [*writing[:2], *watching]
        for client, copy in zip(clients, self.copies, strict=True):
            await follow(client, copy, self.final["version"])

    def sequence(self) -> list[dict[str, Any]]:
        """Return the effective updates in the order of their versions, which leave no gap."""
        done = {
            reply["version"]: update
            for writer in self.writers
            for reply, update in zip(writer.replies, writer.made, strict=True)
            if update
        }
        assert len(done) == sum(1 for made in self.made for update in made if update)
        assert sorted(done) == list(range(1, len(done) + 1))
        return [done[version] for version in sorted(done)]

    def check_order_of_each_writer(self) -> None:
        """Updates of one connection took effect in the order sent."""
        for writer in self.writers:
            versions = [reply["version"] for reply in writer.replies]
            assert versions == sorted(versions)

    def check_states(self) -> None:
        """The updates lead through every state that anybody has seen, to the one that all end with."""
        items: dict[str, dict[str, Any]] = {}
        truth = [list(items.values())]
        for update in self.sequence():
            apply(items, update)
            truth.append(list(items.values()))
        for (epoch, version), state in agree(self.copies).items():
            assert epoch == self.final["epoch"]
            assert state == truth[version]
        assert self.final["data"] == truth[-1]
        assert all(copy.state == truth[-1] for copy in self.copies)

    def check_every_item_told_once(self) -> None:
        """Whoever watched all the time was told of every item that lasted, once, in one order."""
        order = [
            item["id"]
            for update in self.sequence()
            for item in update["insert"]
            if item["id"] != "shared"
        ]
        for copy in self.copies[:4]:
            told = [item["id"] for item in copy.told if item["id"] != "shared"]
            missed = set(order) - set(told)
            assert told == [id for id in order if id not in missed]
            assert not missed & set(copy.items)


@pytest.mark.parametrize("resets", [False, True], ids=["growing", "with resets"])
@pytest.mark.parametrize("seed", [1, 2])
async def test_writers_and_watchers_at_once(tmp_path: Path, seed: int, *, resets: bool) -> None:
    service = sqlite(file=tmp_path / "items.db")
    commotion = Commotion(seed, resets=resets)
    async with (
        running(service) as server,
        open_clients(server.port, WRITERS) as writing,
        open_clients(server.port, 6) as watching,
    ):
        await commotion.run(writing, watching)
    commotion.check_order_of_each_writer()
    commotion.check_states()
    if not resets:
        commotion.check_every_item_told_once()

    # Storage has the last state, and knows it by the same name after a restart.
    final = commotion.final
    async with running(service) as server, open_client(server.port) as client:
        reply = await client.ask("GET", C)
        assert json.dumps(reply["data"]) == json.dumps(final["data"])
        assert (reply["epoch"], reply["version"]) == (final["epoch"], final["version"])
        since = {"epoch": final["epoch"], "version": final["version"]}
        await client.put("/subs", {"insert": [[C, {"since": since}]]})
        message = await client.notification()
        assert message["data"] == {"remove": [], "insert": [], "reset": False}
        assert message["base"] == message["version"] == final["version"]


async def test_resuming_after_a_restart(tmp_path: Path) -> None:
    """A client that was away while the server was restarted is told what it missed, not everything."""
    service = sqlite(file=tmp_path / "items.db")
    async with running(service) as server, open_client(server.port) as client:
        await client.put(C, {"insert": [{"id": str(n)} for n in range(9)]})
        reply = await client.ask("PUT", C, {"insert": [{"id": "4", "n": 1}]})
        since = {"epoch": reply["epoch"], "version": reply["version"]}
        items = {item["id"]: item for item in await client.get(C)}
        await client.put(C, {"remove": ["1", "2"]})
        await client.put(C, {"insert": [{"id": "2", "n": 2}, {"id": "new"}]})
    async with running(service) as server, open_client(server.port) as client:
        await client.put("/subs", {"insert": [[C, {"since": since}]]})
        message = await client.notification()
        assert message["data"]["reset"] is False
        assert not {"0", "3", "4"} & set(message["data"]["remove"])
        assert message["data"]["insert"] == [{"id": "2", "n": 2}, {"id": "new"}]
        assert message["base"] == since["version"]
        apply(items, message["data"])
        assert list(items.values()) == await client.get(C)
        gone = {"insert": [[C, {"since": {**since, "epoch": "of another time"}}]]}
        await client.put("/subs", gone)
        assert (await client.notification())["data"]["reset"] is True


async def test_several_collections_do_not_mix(tmp_path: Path) -> None:
    """Each has its own sequence, also when one connection writes and watches all of them."""
    paths = [f"/app/{service}/{name}" for service in ("items", "mitems") for name in "abc"]
    services = (sqlite("items", tmp_path / "items.db"), sqlite("mitems"))
    async with running(*services) as server, open_clients(server.port, 2) as (writer, reader):
        copies = {path: Copy() for path in paths}
        await reader.subscribe(*paths)
        texts = [
            request("PUT", path, {"insert": [{"id": f"{path} {number}"}]})
            for number in range(20)
            for path in paths
        ]
        await writer.peer.send(b"".join(map(frames.encode_text, texts)))
        for _ in texts:
            assert (await writer.message())["ok"]
        while any(copy.version < 20 for copy in copies.values()):
            message = await reader.notification()
            copies[message["path"]].take(message)
        for path, copy in copies.items():
            assert [item["id"] for item in copy.state] == [f"{path} {n}" for n in range(20)]
