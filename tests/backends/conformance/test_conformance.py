"""Every store that comes with the project, and the documentation's example, against the contract."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import anyio
import pytest

from sharedstate_backends import Island
from sharedstate_backends.conformance import (
    BackendConformance,
    cancelling,
    conditions,
    content,
    cursors,
    declared,
    model,
    reopening,
    stepping,
    trial,
    volume,
)
from sharedstate_backends.conformance.reopening import ReopenCases
from sharedstate_backends.items_service import get_service
from sharedstate_backends.layout import table_names
from sharedstate_backends.mysql.backend import MysqlBackend
from sharedstate_backends.mysql.wire.address import Address
from tests.backends.opening import copying, opened, sqlite
from tests.backends.restoring import MariaDbTables, SqliteFile, setting_back

from . import dictionary_backend
from .breaches.none import Detached, EpochAnew, InAThread
from .dictionary_backend import DictionaryBackend
from .journal_backend import JournalBackend
from .memory_backend import MemoryBackend

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from sharedstate_backends import Backend
    from sharedstate_backends.conformance.declaring import Reopen, SetBack, Wipe
    from tests.support.services.mariadb import MariaDb


def opening(config: Mapping[str, object]) -> Reopen:
    """Return what opens another backend of that configuration."""

    async def reopen() -> Backend:
        backend = get_service(config)
        await backend.open()
        return backend

    return reopen


def test_failures_are_told_in_detail() -> None:
    """With the values that were compared, without a word in the author's conftest."""
    cases = (cancelling, content, volume, cursors, conditions, declared, reopening)
    modules = (*cases, model, stepping, trial)
    assert all("@pytest_ar" in vars(module) for module in modules)


class TestSqliteInMemory(BackendConformance):
    @pytest.fixture
    async def backend(self) -> AsyncIterator[Backend]:
        async with opened(get_service({"db_type": "sqlite"})) as backend:
            yield backend

    @pytest.fixture
    async def forgetful(self) -> AsyncIterator[Backend]:
        async with opened(sqlite(max_tombstones=5)) as backend:
            yield backend


class TestSqliteInFile(BackendConformance):
    shares_storage = True

    @pytest.fixture
    async def backend(self, file: str) -> AsyncIterator[Backend]:
        config = {"db_type": "sqlite", "db_name": file, "db_synchronous": "NORMAL"}
        async with opened(get_service(config)) as backend:
            yield backend

    @pytest.fixture
    def reopen(self, file: str) -> Reopen:
        return opening({"db_type": "sqlite", "db_name": file})

    @pytest.fixture
    def set_back(self, file: str) -> SetBack:
        return setting_back(SqliteFile(file))

    @pytest.fixture
    def wipe(self, file: str) -> Wipe:
        async def wipe() -> None:
            for part in Path(file).parent.glob(f"{Path(file).name}*"):
                part.unlink()

        return wipe


class TestSqliteThatDoesNotWaitForTheDisk(ReopenCases):
    @pytest.fixture
    def reopen(self, file: str) -> Reopen:
        return opening({"db_type": "sqlite", "db_name": file, "db_synchronous": "NORMAL"})


class TestMariaDb(BackendConformance):
    shares_storage = True

    @pytest.fixture
    async def backend(self, mysql: dict[str, object]) -> AsyncIterator[Backend]:
        async with opened(get_service(mysql)) as backend:
            yield backend

    @pytest.fixture
    def reopen(self, mysql: dict[str, object]) -> Reopen:
        return opening(mysql)

    @pytest.fixture
    def set_back(self, mysql: dict[str, Any], shared_mariadb: MariaDb) -> SetBack:
        return setting_back(MariaDbTables(shared_mariadb, mysql))

    @pytest.fixture
    async def forgetful(self, mysql: dict[str, Any]) -> AsyncIterator[Backend]:
        address = Address(
            host=mysql["db_host"],
            port=mysql["db_port"],
            user=mysql["db_user"],
            database=mysql["db_name"],
        )
        backend = Island(MysqlBackend(address, mysql["db_table"], max_tombstones=5))
        async with opened(backend):
            yield backend

    @pytest.fixture
    def wipe(self, mysql: dict[str, object], shared_mariadb: MariaDb) -> Wipe:
        async def wipe() -> None:
            tables = ", ".join(f"`{name}`" for name in table_names(str(mysql["db_table"])))
            shared_mariadb.sql(f"DROP TABLE {tables}", str(mysql["db_name"]))

        return wipe


class TestJournal(BackendConformance):
    """A file and memory, as a plugin's author may write it; `breaches` has all that may be wrong with it."""

    store: ClassVar[type[JournalBackend]] = JournalBackend

    @pytest.fixture
    async def backend(self, tmp_path: Path) -> AsyncIterator[Backend]:
        async with opened(self.store(tmp_path / "journal")) as backend:
            yield backend

    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Reopen:
        async def reopen() -> Backend:
            backend = self.store(tmp_path / "journal")
            await backend.open()
            return backend

        return reopen

    @pytest.fixture
    def set_back(self, tmp_path: Path) -> SetBack:
        return copying(tmp_path / "journal")

    @pytest.fixture
    def wipe(self, tmp_path: Path) -> Wipe:
        return anyio.Path(tmp_path / "journal").unlink

    @pytest.fixture
    async def forgetful(self, tmp_path: Path) -> AsyncIterator[Backend]:
        async with opened(self.store(tmp_path / "journal", max_tombstones=5)) as backend:
            yield backend


class TestJournalInAThread(TestJournal):
    store = InAThread


class TestJournalOfTasks(TestJournal):
    store = Detached


class TestJournalOfOneEpochAnOpen(TestJournal):
    store = EpochAnew
    keeps_epoch = False


class TestMemoryStore(BackendConformance):
    @pytest.fixture
    async def backend(self) -> AsyncIterator[Backend]:
        async with opened(MemoryBackend()) as backend:
            yield backend

    @pytest.fixture
    async def forgetful(self) -> AsyncIterator[Backend]:
        async with opened(MemoryBackend(tombstones=5)) as backend:
            yield backend


class TestDictionary(BackendConformance):
    @pytest.fixture
    async def backend(self) -> AsyncIterator[Backend]:
        async with opened(DictionaryBackend()) as backend:
            yield backend


def test_the_dictionary_is_short_enough_for_the_documentation() -> None:
    assert len(Path(dictionary_backend.__file__).read_text("utf-8").splitlines()) <= 88
