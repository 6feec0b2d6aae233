"""An outage of storage: its beginning and its end are told, once each; what it takes for one."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from sharedstate_anyio.ops.outage import PATIENCE_SECONDS, SOON_SECONDS, Outage
from sharedstate_anyio.storage import proof
from sharedstate_anyio.storage.proof import Proof
from sharedstate_backends import StorageError
from sharedstate_core import CommitResult, Committed, Rejected, Update, Write
from tests.support.asking import ask, numbers
from tests.support.faults import faulty_service
from tests.support.peer import open_client
from tests.support.services.servers import running, sqlite, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.services.servers import Service

C = "/app/items/c"


@pytest.fixture
def service(tmp_path: Path) -> Service:
    """A file whose lock is not waited for."""
    found = sqlite("items", tmp_path / "items.db")
    assert isinstance(found["config"], dict)
    found["config"]["db_timeout"] = 0
    return found


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.__dict__["fields"]["event"] for r in caplog.records if r.levelname != "INFO"]


async def test_both_ends_are_told_though_nobody_asks(
    service: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(service) as server, open_client(server.port) as client:
        began = time.time()
        await client.put(C, {"insert": [{"id": "a"}]})
        found = await numbers(server.port)
        assert found["storage_up{items}"] == 1
        assert began - 1 < found["last_commit_timestamp_seconds{items}"] < time.time() + 1
        assert found["storage_bytes{database,items}"] >= 4096
        assert found["storage_bytes{wal,items}"] > 0
        with closing(sqlite3.connect(tmp_path / "items.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            reply = await client.ask("PUT", C, {"insert": [{"id": "b"}]})
            assert reply["error"]["code"] == "unavailable"
            await until(lambda: "storage_down" in events(caplog))
            assert (await ask(server.port, "/readyz"))[0] == 503
            assert (await numbers(server.port))["storage_up{items}"] == 0
            other.execute("ROLLBACK")
        await until(lambda: "storage_back" in events(caplog))
        assert (await ask(server.port, "/readyz"))[0] == 200
        assert (await numbers(server.port))["storage_up{items}"] == 1
        client.peer.shut()
    assert events(caplog)[:2] == ["commit_failed", "storage_down"]
    assert events(caplog)[-1] == "storage_back"
    last = caplog.records[-1]
    assert last.getMessage().startswith("service items: storage is back after ")
    assert 0 < last.__dict__["fields"]["seconds"] < 60
    caplog.clear()


async def test_it_is_found_though_nobody_writes(
    service: Service,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(proof, "HOLDS_SECONDS", 0.0)
    async with running(service) as server:
        assert (await ask(server.port, "/readyz"))[0] == 200
        with closing(sqlite3.connect(tmp_path / "items.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            monkeypatch.setattr("sharedstate_anyio.ops.readiness.FRESH_SECONDS", 0.0)
            status, _, text = await ask(server.port, "/readyz")
            other.execute("ROLLBACK")
        assert (status, text) == (503, 'not ready: no updates can be stored in "items"\n')
        await until(lambda: "storage_back" in events(caplog))
    assert events(caplog) == ["storage_down", "storage_back"]
    caplog.clear()


async def test_a_lock_that_is_waited_for_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes longer to give up waiting than anybody waits for the answer."""
    monkeypatch.setattr(proof, "HOLDS_SECONDS", 0.0)
    monkeypatch.setattr("sharedstate_anyio.ops.readiness.FRESH_SECONDS", 0.0)
    monkeypatch.setattr("sharedstate_anyio.ops.readiness.PROBE_SECONDS", 0.1)
    config = {"db_type": "sqlite", "db_name": str(tmp_path / "items.db"), "db_timeout": 0.5}
    service: Service = {"name": "items", "module": "items_service", "config": config}
    async with running(service) as server:
        with closing(sqlite3.connect(tmp_path / "items.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert (await ask(server.port, "/readyz"))[0] == 503
            await until(lambda: len(events(caplog)) == 2)
            for _ in range(20):
                assert (await ask(server.port, "/readyz"))[0] == 503
            other.execute("ROLLBACK")
        await until(lambda: "storage_back" in events(caplog))
    assert events(caplog) == ["storage_down", "storage_down", "storage_back"]
    first, second, _ = (r.getMessage() for r in caplog.records if r.levelname != "INFO")
    assert first == "service items: storage accepts no updates: no answer within 0.1 s"
    assert "is locked by another program" in second
    caplog.clear()


async def test_a_commit_that_fails_because_of_what_is_in_it(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client must not be able to have the server taken out of service."""
    monkeypatch.setattr("sharedstate_anyio.ops.readiness.FRESH_SECONDS", 0.0)
    async with running(faulty_service.SERVICE) as server, open_client(server.port) as client:
        faulty_service.stores["it"].refuse = StorageError("too large for this database")
        assert not (await client.ask("PUT", C, {"insert": [{"id": "a"}]}))["ok"]
        assert (await ask(server.port, "/readyz"))[0] == 200
        client.peer.shut()
    assert events(caplog) == ["commit_failed"]
    caplog.clear()


ITEM = Write(Update(insert={"a": b"{}"}))


@pytest.mark.parametrize(
    ("write", "outcome", "proves"),
    [
        (ITEM, Committed(1), True),
        (ITEM, Rejected("conflict", "no", 1), False),
        (Write(Update()), Committed(1), False),
    ],
)
def test_what_a_commit_proves(write: Write, outcome: Committed | Rejected, *, proves: bool) -> None:
    found = Proof()
    found.failed()
    found.committed(time.monotonic() + 1, [write], CommitResult("e", [outcome]))
    assert found.holds() == proves
    assert (found.last_commit > 0) == proves


def test_a_failure_undoes_a_proof_and_one_that_began_before_it_is_none() -> None:
    found = Proof()
    found.stored(time.monotonic())
    assert found.holds()
    found.failed()
    assert not found.holds()
    found.stored(time.monotonic() - 1)
    assert not found.holds()
    found.stored(time.monotonic())
    assert found.holds()


def test_an_outage_ends_at_once_and_its_seconds_are_those_without_storage() -> None:
    outage = Outage()
    assert outage.works(1.0) is None
    assert outage.fails(2.0)
    assert not outage.fails(3.0)
    assert outage.goes_on
    assert outage.works(7.0) == 5.0
    assert not outage.goes_on


def test_outages_that_follow_each_other_are_told_ever_less_often() -> None:
    outage, now, told = Outage(), 0.0, 0
    while now < 3600:  # a second without, a second with
        told += outage.fails(now)
        told += outage.works(now + 1) is not None
        now += 2
    assert told < 10
    now += SOON_SECONDS
    assert outage.works(now) is None or not outage.goes_on
    assert outage.works(now + PATIENCE_SECONDS[1]) is None or not outage.goes_on
    assert not outage.goes_on
    later = now + 2 * SOON_SECONDS + PATIENCE_SECONDS[1]
    assert outage.fails(later)
    assert outage.works(later + 1) == 1
