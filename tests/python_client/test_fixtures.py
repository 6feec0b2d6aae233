"""`serve` and `connect` as fixtures of pytest-asyncio and in `unittest`, which enter and leave in different tasks."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PYTEST_ASYNCIO = """
import pytest
import pytest_asyncio

from sharedstate_anyio import parse_config, serve
from sharedstate_anyio.client import ClosedError, ConnectError, connect

SCOPE = "{scope}"
SERVICES = [{{"name": "items", "module": "items_service", "config": {{"db_type": "sqlite"}}}}]

pytestmark = pytest.mark.asyncio(loop_scope=SCOPE)


def fixture(function):
    return pytest_asyncio.fixture(scope=SCOPE, loop_scope=SCOPE)(function)


@fixture
async def server():
    config = parse_config({{"service": {{"host": "127.0.0.1", "port": 0}}, "services": SERVICES}})
    async with serve(config) as server:
        yield server


@fixture
async def client(server):
    async with connect(server.url) as client:
        yield client


@fixture
async def ds(client):
    async with client.acquired("/app/items/c") as ds:
        yield ds


@pytest.mark.parametrize("id", ["a", "b"])
async def test_together(client, ds, server, id):
    await ds.update(insert=[{{"id": id}}])
    assert ds[id] == {{"id": id}}
    assert len(await client.get("/app/items/c")) == (1 if SCOPE == "function" else 1 + (id == "b"))
    async with connect(server.url) as other:
        assert await other.get("/") == ["items"]


async def test_refused():
    with pytest.raises(ConnectError):
        async with connect("127.0.0.1:1"):
            pass
"""


@pytest.mark.parametrize("scope", ["function", "module", "session"])
def test_pytest_asyncio(scope: str, tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\n"
    )
    (tmp_path / "test_it.py").write_text(PYTEST_ASYNCIO.format(scope=scope))
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:anyio"]
    run = subprocess.run(
        [sys.executable, "-X", "dev", "-m", "pytest", *options, "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "3 passed" in run.stdout


UNITTEST = """
import unittest

from sharedstate_anyio import parse_config, serve
from sharedstate_anyio.client import connect

SERVICES = [{"name": "items", "module": "items_service", "config": {"db_type": "sqlite"}}]


class Test(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        config = parse_config({"service": {"host": "127.0.0.1", "port": 0}, "services": SERVICES})
        server = await self.enterAsyncContext(serve(config))
        self.client = await self.enterAsyncContext(connect(server.url))

    async def test_it(self):
        self.assertEqual(await self.client.get("/"), ["items"])


unittest.main(warnings="error")
"""


def test_unittest(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", UNITTEST],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "OK" in run.stderr
