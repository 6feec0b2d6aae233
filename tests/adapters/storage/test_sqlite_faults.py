"""A server process on a real file under load, killed at every stage of a commit, out of room, locked out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.faults.disk import NoDiskError
from tests.support.faults.kinds import RUNS
from tests.support.faults.stage import ROOT
from tests.support.nightly import one_loop_by_day

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def find_our_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)


@pytest.mark.parametrize("name", [name for name in RUNS if "6 s" not in name])
async def test_nothing_is_lost_and_writes_flow_again(
    name: str, tmp_path: Path, anyio_backend_name: str
) -> None:
    one_loop_by_day(list(RUNS).index(name), anyio_backend_name)
    try:
        await RUNS[name](tmp_path, anyio_backend_name)
    except NoDiskError as error:
        pytest.skip(str(error))
