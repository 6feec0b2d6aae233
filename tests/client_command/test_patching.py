"""patch, as people run it."""

from __future__ import annotations

import pytest

from sharedstate_anyio.client import connect
from tests.support.services.servers import running
from tests.support.services.shell import shell

C = "/app/items/c"


async def test_members_of_an_item() -> None:
    async with running() as server, connect(server.url, loads=bytes) as client:
        await client.update(C, insert=[b'{"id":"milk","p":1.10,"n":1}'])
        change = '{"set": {"done": true, "q": 2.50}, "inc": {"n": 1}}'
        assert (await shell("patch", server.url + C, "milk", change)).status == 0
        assert await client.get(C) == [b'{"id":"milk","p":1.10,"n":2,"done":true,"q":2.50}']
        made = await shell("patch", server.url + C, "tea", '{"inc": {"n": 1}}', "--upsert")
        assert (made.status, made.output, made.errors) == (0, "", "")
        line = '{"remove": ["milk"], "patch": [{"id": "tea", "inc": {"n": 1.50}}]}'
        assert (await shell("put", server.url + C, line)).status == 0
        assert await client.get(C) == [b'{"id":"tea","n":2.5}']


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ('{"set": {"n": 1}}', 1, "patch[0]: there is no such item"),
        ("{", 2, "JSON"),
        ("[]", 2, "object"),
        ('{"id": "x"}', 2, "the change has an id"),
        ('{"increment": {"n": 1}}', 2, "increment"),
        ('{"inc": {"n": "1"}}', 2, "patch[0].inc.n: expected a number"),
    ],
)
async def test_what_is_refused(change: str, status: int, words: str) -> None:
    async with running() as server:
        ended = await shell("patch", server.url + C, "milk", change)
        assert ended.status == status
        assert words in ended.errors
