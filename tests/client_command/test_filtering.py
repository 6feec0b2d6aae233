"""get and watch with a part of a collection."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from sharedstate_anyio.client import connect
from tests.python_client.support import start
from tests.support.services.servers import running
from tests.support.services.shell import running_command, shell

if TYPE_CHECKING:
    from pathlib import Path

C = "/app/items/c"
ODD = ("--where", '{"odd": true}')


def lines(*items: object) -> str:
    return "".join(json.dumps(item, separators=(",", ":")) + "\n" for item in items)


async def test_get() -> None:
    items = [{"id": str(n), "odd": n % 2 == 1, "n": n} for n in range(6)]
    async with running() as server, connect(server.url) as client:
        await client.update(C, insert=items)
        url = server.url + C
        assert await shell("get", url, *ODD) == (0, lines(*items[1::2]), "")
        assert await shell("get", url, *ODD, "--last", "2") == (0, lines(*items[3::2]), "")
        named = await shell("get", url, "--last", "2", "--fields", "n,odd,n", "5")
        assert named == (0, lines({"id": "5", "odd": True, "n": 5}), "")
        few = await shell("get", url, "--fields", "n", "--last", "1")
        assert few == (0, lines({"id": "5", "n": 5}), "")
        nothing = await shell("get", url, *ODD, "5", "4")
        assert nothing == (1, lines(items[5]), "sharedstate: /app/items/c has no item '4'\n")


async def test_watch_what_enters_and_leaves_also_after_a_restart(tmp_path: Path, port: int) -> None:
    url = f"127.0.0.1:{port}{C}"
    with start(tmp_path, port) as server:
        assert (await shell("put", url, '{"id":"a","odd":true}', '{"id":"b"}')).status == 0
        with running_command("watch", url, "--initial", *ODD, "--fields", "odd") as run:
            assert await run.line() == lines({"id": "a", "new": {"id": "a", "odd": True}})
            assert (await shell("put", url, '{"id":"b","odd":true,"n":1}')).status == 0
            assert await run.line() == lines({"id": "b", "new": {"id": "b", "odd": True}})
            assert (await shell("put", url, '{"id":"c"}', '{"id":"a","odd":false}')).status == 0
            assert await run.line() == lines({"id": "a", "old": {"id": "a", "odd": True}})
            server.kill()
            assert "connection lost" in await run.complaint()
            with start(tmp_path, port):
                assert "connected again" in await run.complaint()
                assert (await shell("put", url, '{"remove":["b"]}')).status == 0
                assert await run.line() == lines({"id": "b", "old": {"id": "b", "odd": True}})
                run.process.send_signal(signal.SIGINT)
                assert (await run.ended()).status == 130


@pytest.mark.parametrize("command", ["get", "watch"])
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--where", "room=r3"), "this is not JSON"),
        (("--where", "{'room': 'r3'}"), "this is not JSON"),
        (("--where", "{" * 100_000), "this is not JSON"),
        (("--where", '"r3"'), """expected a filter, such as '{"room": "r3"}', found '"r3"'"""),
        (("--where", '{"n": 1e999}'), "where.n: expected JSON, found a number that is too large"),
        (("--last", "0"), "expected a whole number from 1 to 1000, found '0'"),
        (("--last", "1001"), "expected a whole number from 1 to 1000, found '1001'"),
        (("--last", "9" * 5000), "expected a whole number from 1 to 1000"),
        (("--fields", "a,,b"), "expected names of members with commas between them, found 'a,,b'"),
        (("--fields", ""), "expected names of members"),
    ],
)
async def test_what_is_wrong_is_told_before_connecting(
    command: str, options: tuple[str, ...], problem: str
) -> None:
    status, output, errors = await shell(command, f"127.0.0.1:1{C}", *options)
    assert (status, output) == (2, "")
    assert problem in errors
    assert errors.count("\n") == 1


async def test_a_filter_of_names() -> None:
    status, _, errors = await shell("get", "127.0.0.1:1/app/items", *ODD)
    assert status == 2
    assert "filters are of items: expected URL/app/service/collection" in errors


async def test_a_filter_that_the_server_does_not_take() -> None:
    async with running() as server:
        for command in ("get", "watch"):
            status, _, errors = await shell(command, server.url + C, "--where", '{"n": {"gt": []}}')
            assert status == 1
            assert "where.n.gt: expected" in errors
            assert errors.count("\n") == 1


async def test_help_explains_filters() -> None:
    for command in ("get", "watch"):
        _, output, _ = await shell(command, "--help")
        assert "--where JSON" in output
        assert "A filter is JSON" in output
