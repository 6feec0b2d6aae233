"""get, dump and watch, as people run them."""

from __future__ import annotations

import json
import os
import signal
import socket
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest

from sharedstate_anyio.client import connect
from sharedstate_backends import StorageError
from sharedstate_core import Limits
from tests.python_client.support import start
from tests.support.faults import faulty_service
from tests.support.services.servers import running
from tests.support.services.shell import PROGRAM, SECONDS, running_command, shell

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sharedstate_core import CollectionPath, Cursor, Loaded

C = "/app/items/c"
TEXTS = [
    b'{"id": "a", "n": 1.10}',
    b'{"id":"\xc3\xa9\xf0\x9f\x98\x80","t":"\\n\\u0000"}',
    b'{"id":"z"}',
]
UNUSABLE = ("is not available", "cannot be read")  # one says who lists, one who loads
LINES = [text.decode() + "\n" for text in TEXTS]


async def test_get() -> None:
    async with running() as server, connect(server.url) as client:
        await client.update(C, insert=TEXTS)
        where = f"127.0.0.1:{server.port}"
        for url in (where, f"ws://{where}", f"http://{where}/", f"ws://{where}/any/prefix"):
            assert await shell("get", url + C) == (0, "".join(LINES), "")
        assert await shell("get", where + C, "z", "a") == (0, LINES[2] + LINES[0], "")
        status, output, errors = await shell("get", where + C, "nope", "a")
        assert (status, output) == (1, LINES[0])
        assert errors == "sharedstate: /app/items/c has no item 'nope'\n"
        assert await shell("get", where) == (0, '"items"\n', "")
        assert await shell("get", where + "/app/items") == (0, '"c"\n', "")
        assert float((await shell("get", where + "/clock")).output) > 1e9
        assert await shell("get", where + "/app/items/empty") == (0, "", "")
        assert (await shell("get", where + "/clock", "id")).status == 2


async def test_items_with_line_breaks_are_lines() -> None:
    async with running() as server, connect(server.url) as client:
        await client.update(C, insert=[b'{\r\n  "id": "a",\n  "n": 1\n}'])
        _, output, _ = await shell("get", server.url + C)
        assert output.count("\n") == 1
        assert json.loads(output) == {"id": "a", "n": 1}


async def test_dump_and_load_are_inverse(tmp_path: Path) -> None:
    async with running() as server, connect(server.url) as client:
        await client.update(C, insert=[{"id": id} for id in "fbd"])
        await client.update(C, remove=["b"], insert=[*TEXTS, {"id": "f", "new": True}])
        saved = tmp_path / "saved.jsonl"
        saved.write_text("old")
        assert await shell("dump", server.url + C, "-o", saved) == (
            0,
            "",
            "sharedstate: dumped 5 items at version 2\n",
        )
        assert [file.name for file in tmp_path.iterdir()] == ["saved.jsonl"]
        assert await shell("dump", server.url + C, "-q") == (0, saved.read_text(), "")
        other = server.url + "/app/items/other"
        await client.update("/app/items/other", insert=[{"id": "z"}, {"id": "gone"}])
        loaded = await shell("load", other, saved, "--reset")
        assert loaded == (0, "", "sharedstate: 5 items are stored\n")
        assert (await shell("dump", other, "-q")).output == saved.read_text(), "order and digits"


async def test_a_dump_that_cannot_be_saved(tmp_path: Path) -> None:
    async with running() as server:
        for place in (tmp_path / "nowhere" / "file", tmp_path):
            status, _, errors = await shell("dump", server.url + C, "-o", place)
            assert status == 1
            assert errors.startswith(f"sharedstate: cannot write {place}: ")
            assert errors.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


async def test_a_reader_that_leaves() -> None:
    """Quiet, with the status that shells give to a broken pipe."""
    async with running() as server, connect(server.url) as client:
        await client.update(C, insert=[{"id": str(n), "text": "x" * 300} for n in range(5000)])
        for command in (["dump", "-q"], ["get"], ["watch", "--initial"]):
            with running_command(command[0], server.url + C, *command[1:]) as run:
                assert '"0"' in await run.line()
                assert run.process.stdout is not None
                run.process.stdout.close()
                errors = await anyio.to_thread.run_sync(run.process.stderr.read)  # type: ignore[union-attr]
                status = await anyio.to_thread.run_sync(run.process.wait)
                assert (status, errors) == (141, b"")


async def test_a_full_disk() -> None:
    async with running() as server, connect(server.url) as client:
        await client.update(C, insert=[{"id": "a"}])
        process = await anyio.run_process(
            ["sh", "-c", f"{PROGRAM} get {server.url}{C} > /dev/full"],
            check=False,
        )
        assert process.returncode == 1
        assert process.stderr == b"sharedstate: cannot write: no space left on device\n"


# watch


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
async def test_watch(signum: signal.Signals) -> None:
    async with running() as server, connect(server.url) as client:
        await client.update(C, insert=[TEXTS[0]])
        with running_command("watch", server.url + C, "--initial") as run:
            text = TEXTS[0].decode()
            assert await run.line() == f'{{"id":"a","new":{text}}}\n'
            await client.update(C, insert=[{"id": "a"}])
            assert await run.line() == f'{{"id":"a","new":{{"id":"a"}},"old":{text}}}\n'
            await client.update(C, remove=["a"])
            assert await run.line() == '{"id":"a","old":{"id":"a"}}\n'
            run.process.send_signal(signum)
            assert await run.ended() == (128 + signum, "", "sharedstate: interrupted\n")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
async def test_watch_that_is_interrupted_before_it_shows_anything(signum: signal.Signals) -> None:
    """Its end is the same as later; so it is while it is imported: see `test_standard_streams.py`."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(SECONDS)
        with running_command("watch", f"127.0.0.1:{silent.getsockname()[1]}{C}") as run:
            connection, _ = await anyio.to_thread.run_sync(silent.accept)
            with connection:
                run.process.send_signal(signum)
                assert await run.ended() == (128 + signum, "", "sharedstate: interrupted\n")


async def test_watch_through_a_restart(tmp_path: Path, port: int) -> None:
    url = f"127.0.0.1:{port}{C}"
    with start(tmp_path, port) as server:
        assert (await shell("put", url, '{"id":"a"}')).status == 0
        with running_command("watch", url, "--initial") as run:
            assert await run.line() == '{"id":"a","new":{"id":"a"}}\n'
            server.kill()
            assert "connection lost" in await run.complaint()
            with start(tmp_path, port):
                assert (
                    await shell("put", url, '{"remove":["a"],"insert":[{"id":"b"}]}')
                ).status == 0
                assert "connected again" in await run.complaint()
                assert {await run.line(), await run.line()} == {
                    '{"id":"a","old":{"id":"a"}}\n',
                    '{"id":"b","new":{"id":"b"}}\n',
                }
                run.process.send_signal(signal.SIGINT)
                assert (await run.ended()).status == 130


async def test_watching_while_nobody_reads_merges() -> None:
    """What is not read waits as one net difference, and the connection goes on."""
    async with running() as server, connect(server.url) as client:
        await client.update(C, insert=[{"id": "n", "n": 0}])
        with running_command("watch", server.url + C, "--initial") as run:
            await run.line()
            rounds = 3000
            for n in range(1, rounds + 1):
                await client.update(C, insert=[{"id": "n", "n": n, "fill": "x" * 100}])
            lines = 0
            with anyio.fail_after(SECONDS):
                while True:
                    lines += 1
                    if json.loads(await run.line())["new"]["n"] == rounds:
                        break
            assert lines < rounds, "the pipe did not hold them all"


async def test_dump_to_what_is_no_file(tmp_path: Path) -> None:
    fifo, link, saved = tmp_path / "fifo", tmp_path / "link", tmp_path / "saved"
    os.mkfifo(fifo)
    saved.write_text("old")
    link.symlink_to(saved)
    async with running() as server, connect(server.url) as client:
        await client.update(C, insert=TEXTS)
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        assert (await shell("dump", server.url + C, "-q", "-o", fifo)).status == 0
        assert fifo.is_fifo()
        assert os.read(reader, 1000).decode() == "".join(LINES)
        os.close(reader)
        assert (await shell("dump", server.url + C, "-q", "-o", link)).status == 0
        assert link.is_symlink()
        assert saved.read_text() == "".join(LINES)
        circle = tmp_path / "circle"
        circle.symlink_to(circle)
        status, _, errors = await shell("dump", server.url + C, "-q", "-o", circle)
        assert (status, errors.count("\n")) == (1, 1)
        assert errors.startswith(f"sharedstate: cannot write {circle}: ")


@pytest.mark.parametrize("command", ["get", "dump"])
async def test_storage_that_is_away(command: str, caplog: pytest.LogCaptureFixture) -> None:
    async with running(faulty_service.SERVICE) as server:
        faulty_service.stores["it"].unreadable = True
        ended = await shell(command, f"{server.url}app/items/c", "--patience", "0.2")
        assert (ended[0], ended[1]) == (1, "")
        assert ended[2] in {f"sharedstate: the storage {what}\n" for what in UNUSABLE}
    caplog.clear()


@pytest.mark.parametrize("command", ["get", "dump"])
async def test_a_collection_that_cannot_be_read(
    command: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Though the others can."""
    async with running(faulty_service.SERVICE) as server:
        store: Any = faulty_service.stores["it"]

        async def refuse(*_: object) -> None:
            raise StorageError("a page is damaged")

        store.load = refuse
        ended = await shell(command, f"{server.url}app/items/c", "--patience", "0.2")
        assert ended == (1, "", "sharedstate: the storage cannot be read\n")
    caplog.clear()


async def test_storage_that_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked, and as it answers, patience begins anew."""
    async with running(faulty_service.SERVICE) as server:
        store = faulty_service.stores["it"]
        asked, loading = 0, anyio.Event()
        load, collections = store.load, store.collections

        async def slow_load(path: CollectionPath, since: Cursor | None) -> Loaded:
            await loading.wait()
            return await load(path, since)

        async def counted(app: str) -> Sequence[str]:
            nonlocal asked
            asked += 1
            if asked == 2:
                loading.set()
            return await collections(app)

        monkeypatch.setattr(store, "load", slow_load)
        monkeypatch.setattr(store, "collections", counted)
        url = f"{server.url}app/items/c"
        assert await shell("get", url, "--patience", "0.1") == (0, "", "")


async def test_a_list_of_names_is_printed_however_long() -> None:
    async with running(limits=Limits(names=2)) as server, connect(server.url) as client:
        names = ["Z", "a", "b", "c\\d", "é"]
        for name in names:
            await client.update(f"/app/items/{name}", insert=[b'{"id":"x"}'])
            await client.update(f"/{name}/items/c", insert=[b'{"id":"x"}'])
        status, output, errors = await shell("get", f"{server.url}app/items")
        assert (status, errors) == (0, "")
        assert [json.loads(line) for line in output.splitlines()] == names
        _, output, _ = await shell("get", f"{server.url}apps")
        assert [json.loads(line) for line in output.splitlines()] == sorted([*names, "app"])
        assert await shell("get", f"{server.url}nobody/items") == (0, "", "")
        assert await shell("get", f"{server.url}app") == (0, '"items"\n', "")
