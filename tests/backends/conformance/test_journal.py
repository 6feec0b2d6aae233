"""The journal that is held against the contract: what the contract's cases find by chance only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sharedstate_backends.conformance.model import path, put
from sharedstate_core.storage import Write
from tests.backends.opening import opened

from .breaches.none import InAThread

if TYPE_CHECKING:
    import os

    import pytest


async def test_a_file_that_grows_meanwhile_has_not_been_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit in the thread writes to it just after somebody has looked how large it is."""
    look, grown = Path.stat, False

    def stat(file: Path, **options: Any) -> os.stat_result:
        nonlocal grown
        found = look(file, **options)
        if file == store.file and not grown:
            grown = True
            store.commit_now(path(), [Write(put("a"))])
        return found

    async with opened(InAThread(tmp_path / "journal")) as store:
        before = (await store.heads([path()]))[path()]
        monkeypatch.setattr(Path, "stat", stat)
        assert (await store.heads([path()]))[path()] == before._replace(version=1)
        assert grown
