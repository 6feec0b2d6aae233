"""The benchmarks of the server run, in small; what they measure is not judged here."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from benchmarks import connections, fanout, slow, snapshot, tokens, update
from benchmarks.growth import core, waits
from benchmarks.growth import suite as growth
from benchmarks.growth.operations import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.measure import Result


def costs(results: Iterable[Result]) -> dict[str, float]:
    return {result.case: result.cost for result in results}


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_fanout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "SUBSCRIBERS", (3,))
    monkeypatch.setattr(fanout, "ROUNDS", 1)
    monkeypatch.setattr(fanout, "DELIVERIES", 6)
    monkeypatch.setattr(fanout, "SAMPLE", 6)
    found = costs(fanout.run())
    assert len(found) == 8
    assert all(cost > 0 for cost in found.values())


def test_fanout_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match="apt install gcc"):
        costs(fanout.run())


def test_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "COUNTS", (20,))
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.1)
    assert len(costs(connections.run())) == 6


def test_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "COUNT", 20)
    monkeypatch.setattr(tokens, "AGAIN", 7)
    monkeypatch.setattr(tokens, "OUTSTANDING", 6)
    found = costs(tokens.run())
    assert len(found) == 18
    assert all(cost > 0 for case, cost in found.items() if "memory" not in case)


def test_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "ITEMS", 3000)
    monkeypatch.setattr(snapshot, "BYTES", 3000 * 90)
    monkeypatch.setattr(snapshot, "CLIENTS", 3)
    monkeypatch.setattr(snapshot, "ROUNDS", 1)
    monkeypatch.setattr(snapshot, "UPDATES", 3)
    assert len(costs(snapshot.run())) == 8


def test_growth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "SECONDS", 0.0)
    small = {"ITEMS": (20, 90), "ROUNDS": 1, "READERS": 2, "LEAVING": 2, "STORM": 3}
    for name, value in {**small, "SUBSCRIPTIONS": 5, "POLL_SECONDS": 0.01}.items():
        monkeypatch.setattr(waits, name, value)
    found = costs(growth.run(100))
    timed = [each for each in OPERATIONS if each.sizes[1] <= 100]
    assert {each.title for each in timed} <= found.keys()
    for operation in timed:
        assert f"{operation.title}, {operation.sizes[0]:,}" in found
    for loop in ("asyncio", "trio"):
        for name in ("a first load", "its end", "a join after a change", "2 GETs at once"):
            assert found[f"a stranger's wait: {name}, 90 items, {loop}"] > 0
            assert f"a stranger's wait: {name} over items, {loop}" in found
        assert found[f"a stranger's wait: 2 with 5 subscriptions leave, {loop}"] > 0
        assert found[f"a stranger's wait: 3 come, {loop}"] > 0


def test_update(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update, "ROUNDS", 1)
    monkeypatch.setattr(update, "UPDATES", 32)
    found = costs(update.run())
    assert len(found) == 6
    assert all(cost > 0 for cost in found.values())


def test_slow_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"READING": 6, "STUCK": 2, "SAMPLE": 3, "ROUNDS": 1, "UPDATES": 5, "FILLING": 20}
    for name, value in small.items():
        monkeypatch.setattr(slow, name, value)
    found = costs(slow.run())
    assert len(found) == 6
