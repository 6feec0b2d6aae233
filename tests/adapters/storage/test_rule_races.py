"""Two servers on one database, and users of both who want the same at once: what is stored keeps the rules.

A server checks an update on what it has in memory, which the other one may have changed meanwhile. So whatever was
accepted is held against the rules afterwards, in the order of its versions, each on what was stored just before.
"""

from __future__ import annotations

import hashlib
import itertools
import random
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import anyio
import pytest

from sharedstate_anyio import parse_config, serve
from sharedstate_core.collection.waiting_requests import Put
from tests.support.nightly import IS_WHOLE
from tests.support.peer import open_client
from tests.support.services.servers import document, sqlite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from sharedstate_anyio import Config, RunningServer
    from sharedstate_core.storage import Outcome
    from tests.support.peer import Client
    from tests.support.services.mariadb import MariaDb
    from tests.support.services.servers import Service

    Item = dict[str, Any]

LANES: Final = 4
"""Races that run at once, each about items of its own: their updates share commits."""

RACES: Final = 2_500 if IS_WHOLE else 60
"""Of each lane."""

USERS: Final = ("ann", "bob")

COUNTERS: Final = "/race/items/counters"
CLAIMS: Final = "/race/items/claims"
NOTES: Final = "/race/items/notes"
RULES: Final = [
    {"path": COUNTERS, "insert": "new.n == 1", "update": "new.n == item.n + 1"},
    {
        "path": CLAIMS,
        "insert": "new.owner == ''",
        "update": "item.owner == '' && new.owner == user.id",
    },
    {
        "path": NOTES,
        "insert": "new.by == user.id",
        "update": "item.by == user.id && new.by == item.by",
        "remove": "item.by == user.id",
    },
]

_tables = itertools.count()


def config(service: Service) -> Config:
    """Return the configuration of each of the two servers; a user's token is the name."""
    keys = [
        {"sha256": hashlib.sha256(name.encode()).hexdigest(), "user": {"id": name}}
        for name in USERS
    ]
    rules = [{**rule, "read": True} for rule in RULES]
    found = document(service | {"poll_seconds": 0.02}) | {"auth": {"keys": keys}, "rules": rules}
    return parse_config(found | {"limits": {"ping_seconds": 0}})  # nobody here answers


class Change(NamedTuple):
    """An update of one item that was accepted; without `new`, its removal."""

    version: int
    user: str
    id: str
    new: Item | None


def is_allowed(path: str, old: Item | None, change: Change) -> bool:
    """Return what the rules say, in other words."""
    _, user, _, new = change
    if path == NOTES:
        return (old is None or old["by"] == user) and (new is None or new["by"] == user)
    assert new is not None
    if path == COUNTERS:
        return bool(new["n"] == (1 if old is None else old["n"] + 1))
    if old is None:
        return bool(new["owner"] == "")
    return bool(old["owner"] == "" and new["owner"] == user)


def replay(path: str, changes: Iterable[Change]) -> dict[str, Item]:
    """Hold each change against the rules, on what those before it left; return what is there in the end."""
    items: dict[str, Item] = {}
    for version, change in enumerate(sorted(changes, key=lambda each: each.version), 1):
        assert change.version == version, change
        old = items.pop(change.id, None)
        assert is_allowed(path, old, change), (old, change)
        if change.new is not None:
            items[change.id] = change.new
    return items


class Contender:
    """A user at one of the servers.

    Args:
        accepted: changes by the path of their collection; this one's are added.
    """

    def __init__(self, user: str, client: Client, accepted: dict[str, list[Change]]) -> None:
        self.user = user
        self._client = client
        self._accepted = accepted

    async def send(self, path: str, id: str, new: Item | None) -> Callable[[], Any]:
        """Set an item, or remove it; what is returned waits for the answer, and returns whether it was accepted."""
        arg = {"remove": [id]} if new is None else {"insert": [{"id": id, **new}]}
        tunnel = await self._client.send("PUT", path, arg)

        async def is_accepted() -> bool:
            reply = await self._client.reply(tunnel)
            if reply["ok"]:
                change = Change(reply["version"], self.user, id, new and {"id": id, **new})
                self._accepted[path].append(change)
            else:
                assert reply["error"]["code"] == "forbidden", reply
            return bool(reply["ok"])

        return is_accepted


class Lane:
    """Two users at two servers, who race for one thing after the other."""

    def __init__(self, number: int, contenders: list[Contender]) -> None:
        self._id = f"lane {number}"
        self._contenders = contenders
        self._random = random.Random(number)

    async def offer(self) -> None:
        """Let there be what can be claimed, before the other server has looked."""
        for number in range(2, RACES, 3):
            is_accepted = await self._contenders[0].send(CLAIMS, self._slot(number), {"owner": ""})
            assert await is_accepted()

    async def run(self) -> None:
        """Hold all races."""
        for number in range(RACES):
            await (self._count, self._note, self._claim)[number % 3](number)

    async def _count(self, number: int) -> None:
        assert await self._race(COUNTERS, self._id, lambda _: {"n": number // 3 + 1}) == 1

    async def _note(self, number: int) -> None:
        def write_or_remove(user: str) -> Item | None:
            return self._random.choice([{"by": user, "n": number}, None])

        await self._race(NOTES, self._id, write_or_remove)

    async def _claim(self, number: int) -> None:
        assert await self._race(CLAIMS, self._slot(number), lambda user: {"owner": user}) == 1

    async def _race(self, path: str, id: str, wish: Callable[[str], Item | None]) -> int:
        """Let everybody set an item, or remove it; return how many of them did."""
        self._random.shuffle(self._contenders)
        asked = [await each.send(path, id, wish(each.user)) for each in self._contenders]
        return sum([await is_accepted() for is_accepted in asked])

    def _slot(self, number: int) -> str:
        return f"{self._id}, slot {number}"


@pytest.fixture(params=["sqlite", "mariadb"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Service:
    """Return a service that keeps its items where two servers can share them."""
    if request.param == "sqlite":
        return sqlite(file=tmp_path / "shared.db")
    database: MariaDb = request.getfixturevalue("shared_mariadb")
    table = f"raced_{next(_tables)}"
    return {"name": "items", "module": "items_service", "config": database.config(db_table=table)}


@pytest.fixture
def overtaken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what was overtaken between its check and its commit, as that comes to light."""
    found: list[str] = []
    was_in_vain = Put.was_checked_in_vain

    def was_checked_in_vain(self: Put[Any], outcome: Outcome) -> bool:
        is_so = was_in_vain(self, outcome)
        if is_so:
            found.extend(self.write.update.insert or self.write.update.remove)
        return is_so

    monkeypatch.setattr(Put, "was_checked_in_vain", was_checked_in_vain)
    return found


async def test_what_two_servers_accept_keeps_the_rules(
    service: Service, overtaken: list[str]
) -> None:
    accepted: dict[str, list[Change]] = {COUNTERS: [], CLAIMS: [], NOTES: []}
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(serve(config(service))) for _ in range(2)]

        async def contender(user: str, server: RunningServer) -> Contender:
            client = await stack.enter_async_context(open_client(server.port))
            assert (await client.put("/session", {"token": user}))["user"] == {"id": user}
            return Contender(user, client, accepted)

        lanes = [
            Lane(number, [await contender(user, server) for server in servers for user in USERS])
            for number in range(LANES)
        ]
        for lane in lanes:
            await lane.offer()
        async with anyio.create_task_group() as tasks:
            for lane in lanes:
                tasks.start_soon(lane.run)
    assert overtaken, "nobody was in anybody's way"
    async with serve(config(service)) as server, open_client(server.port) as client:
        for path, changes in accepted.items():
            assert replay(path, changes) == {item["id"]: item for item in await client.get(path)}
