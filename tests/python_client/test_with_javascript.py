"""A Python and a JavaScript client share a collection, while the server is killed and comes back."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import anyio.to_thread

from sharedstate_anyio.client import Dataset, connect
from tests.python_client.support import start
from tests.support.services.servers import until

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
C = "/app/items/c"
SECONDS = 30

VALUES: list[Any] = [
    0,
    -1,
    1.5,
    1e300,
    True,
    None,
    "é\u2028😀\x00",
    "__proto__",
    {"__proto__": [1, {}]},
    [],
]


class Script:
    """The JavaScript client, told line by line what to do (peer.mjs)."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._input: IO[str] = process.stdin
        self._output: IO[str] = process.stdout

    async def do(self, **command: Any) -> Any:
        """Give a command; return what came of it."""

        def exchange() -> str:
            self._input.write(json.dumps(command) + "\n")
            self._input.flush()
            return self._output.readline()

        with anyio.fail_after(SECONDS):
            line = await anyio.to_thread.run_sync(exchange)
        assert line, "the script has ended"
        return json.loads(line)

    async def items(self) -> list[Any]:
        found: list[Any] = await self.do(do="items")
        return found


@contextmanager
def script(url: str) -> Iterator[Script]:
    with subprocess.Popen(
        ["node", str(HERE / "peer.mjs"), url, C],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Script(process)
        finally:
            process.kill()


async def both_show(ds: Dataset, peer: Script) -> list[Any]:
    """Return the items once both clients show the same."""
    with anyio.fail_after(SECONDS):
        while (items := ds.get_items()) != await peer.items():
            await anyio.sleep(0.005)
    return items


async def test_a_shared_collection(tmp_path: Path, port: int) -> None:
    url = f"ws://127.0.0.1:{port}"
    with start(tmp_path, port) as server, script(url) as peer:
        async with connect(url) as client:
            ds = await client.acquire(C)
            mine = [{"id": f"py {n}", "value": value} for n, value in enumerate(VALUES)]
            theirs = [{"id": f"js {n}", "value": value} for n, value in enumerate(VALUES)]
            await ds.update(insert=mine)
            assert await peer.do(do="update", changes={"insert": theirs}) == len(theirs)
            await until(lambda: len(ds) == len(mine) + len(theirs))
            assert await both_show(ds, peer) == mine + theirs

            await ds.update(remove=["js 0"], insert=[{"id": "py 0", "again": True}])
            await peer.do(do="update", changes={"remove": ["py 1"], "insert": [{"id": "py 1"}]})
            items = await both_show(ds, peer)
            assert (items[0]["id"], items[-1]["id"]) == ("py 0", "py 1")

            server.kill()
            await until(lambda: client.status == "reconnecting")
            with start(tmp_path, port):
                await peer.do(do="update", changes={"insert": [{"id": "js after"}]})
                await ds.update(insert=[{"id": "py after"}])
                await until(lambda: "js after" in ds)
                items = await both_show(ds, peer)
                assert {item["id"] for item in items[-2:]} == {"js after", "py after"}
                assert await client.get(C) == items
                assert await peer.do(do="update", changes={"reset": True}) == 0
                await until(lambda: len(ds) == 0)
                assert await both_show(ds, peer) == []


async def test_a_counter_that_both_raise(tmp_path: Path, port: int) -> None:
    """Conditional updates of both languages: no count is lost."""
    url = f"ws://127.0.0.1:{port}"
    rounds = 20

    async def raise_here(ds: Dataset) -> None:
        for _ in range(rounds):
            await ds.transaction(
                lambda t: t.update(
                    insert=[{"id": "n", "count": t.get("n", {"count": 0})["count"] + 1}]
                )
            )

    with start(tmp_path, port), script(url) as peer:
        async with connect(url) as client:
            ds = await client.acquire(C)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(raise_here, ds)
                await peer.do(do="raise", rounds=rounds)
            assert await both_show(ds, peer) == [{"id": "n", "count": 2 * rounds}]
