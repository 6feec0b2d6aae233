"""What rules leave of a collection to each user, as the Python client shows it."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from sharedstate_anyio import parse_config, serve
from sharedstate_anyio.client import Diff, RequestError, connect
from tests.python_client.support import reaches
from tests.support.faults.relay import relay
from tests.support.services.servers import until

C = "/shop/items/orders"
USERS = {"ann": "customer", "bob": "customer", "eve": "staff"}
CONFIG: dict[str, Any] = {
    "service": {"port": 0},
    "services": [
        {"name": "items", "module": "items_service", "config": {"db_type": "sqlite"}},
    ],
    "auth": {
        "keys": [
            {
                "sha256": hashlib.sha256(f"token-{name}".encode()).hexdigest(),
                "user": {"id": name, "role": role},
            }
            for name, role in USERS.items()
        ]
    },
    "rules": [
        {
            "path": "/shop/items/*",
            "read": "user.role == 'staff' || item.by == user.id",
            "write": "user != null",
        }
    ],
}


def order(id: str, by: str, **members: Any) -> dict[str, Any]:
    return {"id": id, "by": by, **members}


async def test_everybody_sees_what_is_theirs() -> None:
    async with (
        serve(parse_config(CONFIG)) as server,
        connect(server.url, token="token-ann") as ann,
        connect(server.url, token="token-eve") as eve,
    ):
        await eve.update(C, insert=[order(str(n), "ann" if n % 2 else "bob") for n in range(6)])
        all_of_them, hers = await eve.acquire(C), await ann.acquire(C)
        assert list(all_of_them) == [str(n) for n in range(6)]
        assert list(hers) == ["1", "3", "5"]
        assert [each["id"] for each in await ann.get(C)] == ["1", "3", "5"]
        changes = hers.changes()
        await eve.update(C, insert=[order("2", "ann"), order("4", "bob", n=1), order("1", "bob")])
        assert sorted(await anext(changes), key=lambda diff: diff.id) == [
            Diff("1", None, order("1", "ann")),
            Diff("2", order("2", "ann"), None),
        ]
        assert list(hers) == ["2", "3", "5"], "in the order of the collection"
        newest = await ann.acquire(C, last=1)
        assert list(newest) == ["5"]
        await eve.update(C, remove=["5"])
        await until(lambda: list(newest) == ["3"])
        page = await ann.page(C, last=5, before=newest.before)
        assert ([each["id"] for each in page.items], page.more) == (["2"], False)
        assert await ann.get(C, where={"by": "bob"}) == []


async def test_it_is_resumed_after_a_cut_and_goes_when_the_user_does() -> None:
    async with (
        serve(parse_config(CONFIG)) as server,
        relay(server.port) as wire,
        connect(server.url, token="token-eve") as eve,
        connect(f"ws://127.0.0.1:{wire.port}", token="token-ann") as ann,
    ):
        await eve.update(C, insert=[order("a", "ann"), order("b", "bob"), order("c", "ann")])
        hers = await ann.acquire(C)
        kinds = await ann.acquire(C, fields=["by"], where={"by": {"prefix": "a"}})
        changes = hers.changes()
        wire.stalled = True
        wire.cut()
        await reaches(ann, "reconnecting")
        await eve.update(C, insert=[order("b", "ann"), order("c", "bob")])
        wire.stalled = False
        assert {(diff.id, diff.new is None) for diff in await anext(changes)} == {
            ("b", False),
            ("c", True),
        }
        assert list(hers) == ["a", "b"]
        await until(lambda: list(kinds) == ["a", "b"])
        await ann.sign_out()
        await until(lambda: not hers and not kinds)
        with pytest.raises(RequestError):
            await ann.acquire(C)
        ann.release(kinds)


async def test_a_transaction_does_not_wait_for_what_it_may_not_see() -> None:
    async with (
        serve(parse_config(CONFIG)) as server,
        connect(server.url, token="token-ann") as ann,
        connect(server.url, token="token-bob") as bob,
    ):
        hers = await ann.acquire(C)
        await hers.update(insert=[order("n", "ann", n=0)])
        for number in range(3):
            await bob.update(C, insert=[order(f"hidden {number}", "bob")])
            await hers.transaction(
                lambda t: t.update(insert=[order("n", "ann", n=t.get_items()[0]["n"] + 1)])
            )
        assert hers["n"]["n"] == 3
