"""Every store that comes with the project, and the documentation's example, against the contract."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sharedstate_backends.conformance import (
    BackendConformance,
    cancelling,
    conditions,
    content,
    crowd,
    cursors,
    model,
    reopening,
)
from sharedstate_backends.items_service import get_service

from . import dictionary_backend
from .dictionary_backend import DictionaryBackend
from .opening import opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from sharedstate_backends import Backend
    from sharedstate_backends.conformance.reopening import Reopen


def opening(config: Mapping[str, object]) -> Reopen:
    """Return what opens another backend of that configuration."""

    async def reopen() -> Backend:
        backend = get_service(config)
        await backend.open()
        return backend

    return reopen


def test_failures_are_told_in_detail() -> None:
    """With the values that were compared, without a word in the author's conftest."""
    modules = (cancelling, content, crowd, cursors, conditions, model, reopening)
    assert all("@pytest_ar" in vars(module) for module in modules)


class TestSqliteInMemory(BackendConformance):
    @pytest.fixture
    async def backend(self) -> AsyncIterator[Backend]:
        async with opened(get_service({"db_type": "sqlite"})) as backend:
            yield backend


class TestSqliteInFile(BackendConformance):
    @pytest.fixture
    async def backend(self, file: str) -> AsyncIterator[Backend]:
        config = {"db_type": "sqlite", "db_name": file, "db_synchronous": "NORMAL"}
        async with opened(get_service(config)) as backend:
            yield backend

    @pytest.fixture
    def reopen(self, file: str) -> Reopen:
        """With FULL: with NORMAL, each `open` draws a new epoch."""
        return opening({"db_type": "sqlite", "db_name": file})


class TestMariaDb(BackendConformance):
    @pytest.fixture
    async def backend(self, mysql: dict[str, object]) -> AsyncIterator[Backend]:
        async with opened(get_service(mysql)) as backend:
            yield backend

    @pytest.fixture
    def reopen(self, mysql: dict[str, object]) -> Reopen:
        return opening(mysql)


class TestDictionary(BackendConformance):
    @pytest.fixture
    async def backend(self) -> AsyncIterator[Backend]:
        async with opened(DictionaryBackend()) as backend:
            yield backend


def test_the_dictionary_is_short_enough_for_the_documentation() -> None:
    assert len(Path(dictionary_backend.__file__).read_text("utf-8").splitlines()) < 60
