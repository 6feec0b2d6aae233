"""Processes of their own: one that is killed while it writes, and several that write at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sharedstate_backends.conformance.model import path, state_of
from tests.backends.opening import opened, sqlite, start_writing

if TYPE_CHECKING:
    import subprocess


def start(file: str, name: str, count: int) -> subprocess.Popen[str]:
    return start_writing({"db_type": "sqlite", "db_name": file}, name, count)


async def test_killed_while_it_writes(file: str) -> None:
    """Every acknowledged update is there, and none half; the store opens without further ado."""
    acknowledged = 0
    epochs = set()
    for turn in range(4):
        with start(file, f"turn {turn}", 0) as process:
            assert process.stdout is not None
            versions = [int(process.stdout.readline()) for _ in range(20 + 7 * turn)]
            process.kill()
            versions += [int(line) for line in process.stdout.read().splitlines()]
        assert versions == list(range(versions[0], versions[0] + len(versions)))
        assert versions[0] > acknowledged
        acknowledged = versions[-1]
        async with opened(sqlite(file)) as backend:
            loaded = await backend.load(path(), None)
            state = {id: json.loads(text)["value"] for id, text in state_of(loaded).items()}
        epochs.add(loaded.epoch)
        assert loaded.version in {acknowledged, acknowledged + 1}
        assert len(state) == 2 + loaded.version
        assert list(state)[-1] == state["a"] == state["b"] == state[state["a"]]
        acknowledged = loaded.version
    assert len(epochs) == 1


async def test_several_at_once(file: str) -> None:
    """They also create the file at once; every version is given to one of them."""
    processes = [start(file, f"process {number}", 25) for number in range(5)]
    versions: list[int] = []
    for process in processes:
        output, _ = process.communicate()
        assert process.returncode == 0
        versions += map(int, output.split())
    assert sorted(versions) == list(range(1, 126))
    async with opened(sqlite(file)) as backend:
        loaded = await backend.load(path(), None)
    assert loaded.version == 125
    assert len(loaded.rows) == 127
