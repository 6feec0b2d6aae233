"""put and load, as people run them: everything is stored, or they say how far they came."""

from __future__ import annotations

import json
import re
import signal
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from wsproto.events import TextMessage

from sharedstate_anyio.client import Client, connect
from sharedstate_backends import OutcomeUnknownError
from tests.python_client.support import start, websockets
from tests.support.faults import faulty_service
from tests.support.services.servers import running
from tests.support.services.shell import SECONDS, running_command, shell

if TYPE_CHECKING:
    from pathlib import Path

    from wsproto import WSConnection

C = "/app/items/c"


async def ids(client: Client, path: str = C) -> list[str]:
    return [item["id"] for item in await client.get(path)]


async def holds(client: Client, count: int) -> None:
    """Wait until so many items are stored."""
    with anyio.fail_after(SECONDS):
        while len(await ids(client)) < count:
            await anyio.sleep(0.005)


# put


async def test_put() -> None:
    given = """
        {"id": "a", "n": 1.10}
        {"insert": [{"id": "b"}, {"id": "c"}], "remove": ["x"]}

        {"remove": ["a"], "insert": [{"id": "a", "n": 2.0}]}
        {"id": "reset", "reset": true}
    """
    async with running() as server, connect(server.url, loads=bytes) as client:
        assert await shell("put", server.url + C, given=given) == (0, "", "")
        expected = b'[{"id":"b"},{"id":"c"},{"id": "a", "n": 2.0},{"id": "reset", "reset": true}]'
        assert (await client.get(C, loads=bytes)).replace(b'{"id": "b"}', b'{"id":"b"}').replace(
            b'{"id": "c"}', b'{"id":"c"}'
        ) == expected
        arguments = ['{"reset": true}', '{"id": "é😀"}']
        assert await shell("put", server.url + C, *arguments) == (0, "", "")
        assert json.loads(await client.get(C, loads=bytes)) == [{"id": "é😀"}]
        assert await shell("put", server.url + C) == (0, "", "")


async def test_put_stores_each_line_before_the_next() -> None:
    async with running() as server, connect(server.url) as client:
        with running_command("put", server.url + C) as run:
            for number in range(3):
                run.write(json.dumps({"id": str(number)}) + "\n")
                await holds(client, number + 1)
            assert await run.ended('{"id": "without a line end"}') == (0, "", "")
        assert len(await ids(client)) == 4


async def test_put_with_a_condition() -> None:
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C)
        await ds.update(insert=[{"id": "a"}])
        assert ds.cursor is not None
        condition = {"epoch": ds.cursor.epoch, "version": ds.cursor.version, "ids": ["a"]}
        change = json.dumps({"remove": ["a"], "if": condition})
        assert await shell("put", server.url + C, change) == (0, "", "")
        status, _, errors = await shell("put", server.url + C, '{"id": "b"}', change, '{"id": "c"}')
        assert status == 1
        assert errors.startswith("sharedstate: line 2: ")
        assert errors.endswith("; 1 update is stored\n")
        assert list(ds) == ["b"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{bad", "line 2 is not JSON: "),
        ("7", "line 2 is not a JSON object"),
        ('{"id": "a", "n": NaN}', "line 2 is not JSON: NaN is not JSON"),
        ('{"id": "a" "n": 1}', "line 2 is not JSON: "),
        ('{"n": 1}', "line 2 is neither an item (with an id) nor a change: "),
        ('{"insert": {"id": "a"}}', "line 2 is neither an item"),
        ('{"inserts": []}', "line 2 is neither an item (with an id) nor a change: object contains"),
        ('{"id": 7}', "line 2: id: expected a string, found a number"),
        ('{"id": ""}', "line 2: insert[0].id: "),
        ('{"insert": [{"id": "x"}, {}]}', "line 2: insert[1]"),
        ('{"remove": [7]}', "line 2 is neither an item"),
    ],
)
async def test_put_bad_lines(line: str, problem: str) -> None:
    """What stands before is stored, what stands behind is not; the line is named."""
    given = f'{{"id": "before"}}\n{line}\n{{"id": "behind"}}\n'
    async with running() as server, connect(server.url) as client:
        status, output, errors = await shell("put", server.url + C, given=given)
        assert (status, output) == (2, "")
        assert errors.startswith(f"sharedstate: {problem}")
        assert errors.endswith("; 1 update is stored\n")
        assert errors.count("\n") == 1
        assert await ids(client) == ["before"]


# load


async def test_load_in_batches() -> None:
    given = "\ufeff" + "\r\n".join(json.dumps({"id": str(n)}) for n in range(1234))
    async with running() as server, connect(server.url) as client:
        before = await client.acquire(C)
        await before.update(insert=[{"id": "there"}])
        assert await shell("load", server.url + C, "--batch", "100", given=given) == (
            0,
            "",
            "sharedstate: 1,234 items are stored\n",
        )
        assert list(before) == ["there", *map(str, range(1234))]
        assert before.cursor is not None
        assert before.cursor.version == 1 + 13
        assert await shell("load", server.url + C, "-q", given='{"id": "q"}') == (0, "", "")


async def test_load_reset() -> None:
    async with running() as server, connect(server.url) as client:
        ds = await client.acquire(C)
        await ds.update(insert=[{"id": "z"}, {"id": "old"}])
        result = await shell("load", server.url + C, "-", "--reset", given='{"id":"a"}\n{"id":"z"}')
        assert result == (0, "", "sharedstate: 2 items are stored\n")
        assert list(ds) == ["a", "z"]


@pytest.mark.parametrize("line", ["{bad", '{"n": 1}', '{"id": 7}', "[]"])
async def test_load_bad_lines(line: str) -> None:
    given = f'{{"id": "1"}}\n\n{{"id": "2"}}\n{line}\n{{"id": "3"}}\n'
    async with running() as server, connect(server.url) as client:
        status, _, errors = await shell("load", server.url + C, given=given)
        assert status == 2
        assert errors.startswith("sharedstate: line 4")
        assert errors.endswith("; 2 items are stored\n")
        assert await ids(client) == ["1", "2"]
        status, _, errors = await shell("load", server.url + C, "--reset", given=given)
        assert status == 2
        assert errors.endswith("; nothing is stored\n")
        assert await ids(client) == ["1", "2"], "untouched"


async def test_load_a_line_that_the_server_refuses() -> None:
    """What stands before it is stored; the line is named, also behind an item that came twice."""
    good = [json.dumps({"id": str(n)}) for n in (0, 1, 2, 1, 3)]
    given = "\n".join([*good, json.dumps({"id": "x" * 300}), json.dumps({"id": "4"})])
    async with running() as server, connect(server.url) as client:
        status, _, errors = await shell("load", server.url + C, "--batch", "3", given=given)
        assert status == 2
        assert errors.startswith("sharedstate: line 6: id: ")
        assert errors.endswith("; 4 items are stored\n")
        assert await ids(client) == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    "line",
    [
        '{"id": "s", "x": "\\ud800"}',
        '{"id": 5, "id": "five"}',
        '{"id": ""}',
        '{"id": "n\\u0000l"}',
        json.dumps({"id": "x" * 300}),
        '{"id": "deep", "x": ' + "[" * 70 + "]" * 70 + "}",
    ],
)
async def test_load_reset_changes_nothing_if_a_line_is_refused(line: str) -> None:
    """Also one that only the server finds bad, behind the first batch."""
    given = "\n".join([*(json.dumps({"id": str(n)}) for n in range(7)), line])
    async with running() as server, connect(server.url) as client:
        await client.update(C, insert=[{"id": "old"}])
        result = await shell("load", server.url + C, "--reset", "--batch", "3", given=given)
        assert result[0] == 2
        assert result[2].startswith("sharedstate: line 8")
        assert result[2].endswith("; nothing is stored\n")
        assert await ids(client) == ["old"]


async def test_load_reset_into_a_server_that_does_not_look_at_conditions() -> None:
    asked: list[dict[str, Any]] = []

    async def talk(stream: anyio.abc.SocketStream, websocket: WSConnection) -> None:
        while True:
            websocket.receive_data(await stream.receive())
            for event in websocket.events():
                if isinstance(event, TextMessage):
                    request = json.loads(event.data)
                    if request["path"] != "/session":
                        asked.append(request["arg"])
                    reply = {"type": "REPLY", "cmd": "PUT", "ok": True, "data": 0}
                    reply["tunnel"] = request["tunnel"]
                    await stream.send(websocket.send(TextMessage(json.dumps(reply))))

    async with websockets(talk) as port:
        result = await shell("load", f"127.0.0.1:{port}{C}", "--reset", given='{"id": "a"}')
    assert result == (0, "", "sharedstate: 1 item is stored\n")
    changes = [(arg.get("insert", []), arg.get("reset", False)) for arg in asked]
    assert changes == [([], False), ([{"id": "a"}], True)]


async def test_load_a_line_that_is_too_long_for_the_server(tmp_path: Path) -> None:
    file = tmp_path / "items.jsonl"
    file.write_text('{"id": "a"}\n' + json.dumps({"id": "b", "t": "x" * 5_000_000}) + "\n")
    async with running() as server, connect(server.url) as client:
        status, _, errors = await shell("load", server.url + C, file)
        assert status == 1
        line = r"sharedstate: line 2: the message has \d+ bytes; this server takes 4194304"
        assert re.fullmatch(f"{line}; 1 item is stored", errors.splitlines()[-1])
        assert await ids(client) == ["a"]
        status, _, errors = await shell("put", server.url + C, given=file.read_text())
        assert status == 1
        assert re.fullmatch(f"{line}; 1 update is stored", errors.splitlines()[-1])


async def test_load_no_file(tmp_path: Path) -> None:
    status, _, errors = await shell("load", "127.0.0.1:1" + C, tmp_path / "nowhere")
    assert (status, errors.count("\n")) == (2, 1)
    assert errors.startswith(f"sharedstate: cannot read {tmp_path}/nowhere: No such file")


async def test_load_while_the_server_is_killed(tmp_path: Path, port: int) -> None:
    """It goes on with the batch that was lost: everything arrives, in order."""
    url = f"127.0.0.1:{port}{C}"
    lines = [json.dumps({"id": str(n), "text": "x" * 50}) + "\n" for n in range(3000)]
    with start(tmp_path, port) as server, running_command("load", url, "--batch", "20") as run:
        async with connect(f"127.0.0.1:{port}") as client:
            run.write("".join(lines[:1000]))
            await holds(client, 500)
            server.kill()
            with start(tmp_path, port):
                status, _, errors = await run.ended("".join(lines[1000:]))
                assert (status, errors.splitlines()[-1]) == (
                    0,
                    "sharedstate: 3,000 items are stored",
                )
                assert await ids(client) == [str(n) for n in range(3000)]


# Ends


@pytest.mark.parametrize("command", ["put", "load"])
async def test_an_update_in_doubt(command: str, caplog: pytest.LogCaptureFixture) -> None:
    """What may be stored is not called not stored."""
    options = ["--batch", "1"] if command == "load" else []
    given = '{"id": "a"}\n{"id": "b"}\n'
    async with running(faulty_service.SERVICE) as server:
        store: Any = faulty_service.stores["it"]
        store.lose = OutcomeUnknownError("lost")
        status, _, errors = await shell(command, server.url + C, *options, given=given)
        assert status == 1
        assert errors.startswith("sharedstate: line 1: ")
        assert errors.endswith("; nothing else is stored\n")
        store.lose = None
        commit = store.commit

        async def lose_the_second(path: object, writes: Any) -> object:
            result = await commit(path, writes)
            if "b" in writes[0].update.insert:
                raise OutcomeUnknownError("lost")
            return result

        store.commit = lose_the_second
        status, _, errors = await shell(command, server.url + C, *options, given=given)
        assert errors.startswith("sharedstate: line 2: ")
        assert errors.endswith(f"; 1 {'update' if command == 'put' else 'item'} is stored before\n")
    caplog.clear()


@pytest.mark.parametrize("command", ["put", "load"])
async def test_interrupted(command: str) -> None:
    async with running() as server, connect(server.url) as client:
        options = ["--batch", "1"] if command == "load" else []
        with running_command(command, server.url + C, *options) as run:
            run.write('{"id": "a"}\n{"id": "b"}\n{"id": "c"}\n')
            await holds(client, 2)  # the first is counted before the second is sent
            run.process.send_signal(signal.SIGINT)
            status, _, errors = await run.ended()
        assert status == 130
        assert errors.startswith("sharedstate: interrupted; at least ")
        assert errors.count("\n") == 1


async def test_a_server_that_does_not_come_back(tmp_path: Path, port: int) -> None:
    url = f"127.0.0.1:{port}{C}"
    with start(tmp_path, port) as server, running_command("put", url, "--patience", "1") as run:
        run.write('{"id": "a"}\n')
        async with connect(f"127.0.0.1:{port}") as client:
            await holds(client, 1)
        server.kill()
        assert "connection lost" in await run.complaint()
        problem = await run.complaint()
        status, _, errors = await run.ended()
    assert (status, errors) == (1, "")
    assert problem == "sharedstate: no connection for 1 s; 1 update is stored\n"
