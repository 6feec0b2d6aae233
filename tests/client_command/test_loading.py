"""load: what people bring that is no item, ids that come twice, ids of another name, and nothing at all."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from sharedstate_anyio.client import connect
from sharedstate_anyio.client_command import items, tally
from sharedstate_anyio.client_command.items import NAMED, Ids
from sharedstate_anyio.client_command.lines import Line
from tests.support.services.servers import running
from tests.support.services.shell import shell

if TYPE_CHECKING:
    from pathlib import Path

C = "/app/items/c"


def lines(*values: object) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


# Counting


def test_progress_is_told_once_a_second(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    times = iter([5.0, 5.5, 6.5, 7.0, 8.0, 20.0])
    monkeypatch.setattr(tally, "time", SimpleNamespace(monotonic=times.__next__))
    tallied = tally.Tally("item")
    for quiet in (False, False, False, False, True):
        tallied.add(1_000, quiet=quiet)
    assert capsys.readouterr().err.splitlines() == [
        "sharedstate: 2,000 items are stored so far",
        "sharedstate: 4,000 items are stored so far",
    ]
    assert str(tallied) == "5,000 items are stored"


@pytest.mark.parametrize("options", [[], ["--reset"], ["--batch", "1"]])
async def test_an_id_that_comes_twice_is_one_item(options: list[str]) -> None:
    given = lines({"id": "a", "n": 1}, {"id": "b"}, {"id": "a", "n": 2})
    async with running() as server, connect(server.url) as client:
        assert await shell("load", server.url + C, *options, given=given) == (
            0,
            "",
            "sharedstate: 2 items are stored; the last of each id counts: line 3 has the id 'a' of line 1\n",
        )
        assert {item["id"]: item.get("n") for item in await client.get(C)} == {"a": 2, "b": None}


def test_many_repetitions(monkeypatch: pytest.MonkeyPatch) -> None:
    def batch(*names: str, start: int = 1) -> list[Line]:
        return [Line(n, b"", {"id": name}) for n, name in enumerate(names, start)]

    ids = Ids()
    assert ids.add(batch("a", "b")) == 2
    assert ids.repetitions() == ""
    assert ids.add(batch(*"ab" * 3, start=3)) == 0
    told = ids.repetitions()
    assert told.count(" of line ") == NAMED
    assert told.endswith("line 5 has the id 'a' of line 1, and 3 more")
    monkeypatch.setattr(items, "REMEMBERED", 1)
    few = Ids()
    assert few.add(batch("a", "b", "b")) == 3  # more than there are, since they are not remembered
    assert few.add(batch("a")) == 0


# Nothing


async def test_reset_to_nothing_has_to_be_meant() -> None:
    """As in `false | sharedstate load URL --reset`."""
    async with running() as server, connect(server.url) as client:
        await client.update(C, insert=[{"id": "a"}, {"id": "b"}])
        status, _, errors = await shell("load", server.url + C, "--reset", given="\n\n")
        assert status == 2
        assert "nothing was changed (--allow-empty does it)" in errors
        assert len(await client.get(C)) == 2
        told = await shell("load", server.url + C, "--reset", "--allow-empty")
        what = f"removed 2 items from {C}; there were none to load"
        assert told == (0, "", f"sharedstate: {what}\n")
        assert await client.get(C) == []
        quiet = await shell("load", server.url + C, "--reset", "--allow-empty", "-q")
        assert quiet == (0, "", "")
        assert await shell("load", server.url + C) == (0, "", "sharedstate: nothing is stored\n")


# What is no item


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ('{"id": "é"}\n'.encode("utf-16"), "the input is UTF-16"),
        (b"\xfe\xff\x00{", "the input is UTF-16"),
        (b'{"id": "a", "n": "\xc3\xa9\xff"}', "line 1, column 20: the byte 0xff is not UTF-8"),
        (b'[{"id": "a"}]', "line 1 is not a JSON object but an array; jq -c '.[]'"),
        (b'{\n  "id": "a"\n}\n', "at character 2; jq -c . makes one line of each object"),
        (b"[\n  {}\n]\n", "jq -c '.[]' one of each element"),
        (b'{"type": "FeatureCollection", "features": []}', "jq -c '.features[]'"),
        (b'{"id": 7}', "an item has an id, a string; --id-field id makes one of a number"),
        (b'{"_id": "a"}', "; --id-field _id takes that member for it"),
        (b'{"entity_id": 7}', "; --id-field entity_id takes that member for it"),
        (b'{"n": 7}', "; --id-field NAME takes another member for it"),
    ],
)
async def test_what_people_bring(given: bytes, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(given)
    async with running() as server:
        status, _, errors = await shell("load", server.url + C, file)
    assert status == 2
    assert problem in errors
    assert errors.endswith("; nothing is stored\n")
    assert errors.count("\n") == 1


async def test_a_mark_of_utf_8_does_not_matter(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b'\xef\xbb\xbf{"id": "a"}\r\n')
    async with running() as server:
        assert (await shell("load", server.url + C, file)).status == 0


# Ids of another name


async def test_an_id_of_another_member() -> None:
    given = '{"key": "a", "n": 1.10}\n{"n": 1e400, "key": 7}\n{"key": "b", "id": "b"}\n'
    async with running() as server, connect(server.url, loads=bytes) as client:
        told = await shell("load", server.url + C, "--id-field", "key", given=given)
        assert told == (0, "", "sharedstate: 3 items are stored\n")
        assert [text.replace(b" ", b"") for text in await client.get(C)] == [
            b'{"id":"a","key":"a","n":1.10}',
            b'{"id":"7","n":1e400,"key":7}',
            b'{"id":"b","key":"b"}',
        ]
        told = await shell("load", server.url + C, "--id-field", "id", given='{"id": 12}')
        assert told.status == 0
        assert b'{"id":"12"}' in await client.get(C)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"n": 1}', "line 1: 'key' is neither a text nor a whole number: it is not there"),
        ('{"key": true}', "line 1: 'key' is neither a text nor a whole number;"),
        ('{"key": {"$oid": "a"}}', "line 1: 'key' is neither a text nor a whole number;"),
        ('{"key": "a", "id": "b"}', "line 1 has an id already, beside 'key'"),
    ],
)
async def test_an_id_that_cannot_be_made(line: str, problem: str) -> None:
    async with running() as server:
        status, _, errors = await shell("load", server.url + C, "--id-field", "key", given=line)
    assert status == 2
    assert errors.startswith(f"sharedstate: {problem}")
