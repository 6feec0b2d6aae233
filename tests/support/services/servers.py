"""Servers for tests: on 127.0.0.1 and a free port, inside the test's own loop."""

from __future__ import annotations

import dataclasses
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import anyio

from sharedstate_anyio import parse_config, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from sharedstate_anyio import Config, RunningServer
    from sharedstate_anyio.config.limits import TransportLimits
    from sharedstate_core import Limits

Service = dict[str, object]

MYSQL_WITHOUT_PORT: Final[Service] = {
    "name": "items",
    "module": "items_service",
    "config": {
        "db_type": "mysql",
        "db_name": "sharedstate",
        "db_table": "items",
        "db_host": "localhost",
        "db_user": "myuser",
        "db_password": "hunter2hunter2",
        "db_port": 0,
        "ssl.enabled": False,
        "ssl.key": None,
        "ssl.ca": None,
        "ssl.cert": None,
    },
}


def sqlite(name: str = "items", file: Path | str = ":memory:") -> Service:
    """Describe a service in SQLite."""
    config = {"db_type": "sqlite", "db_name": str(file), "db_table": "items"}
    return {"name": name, "module": "items_service", "config": config}


def document(*services: Service, port: int = 0) -> dict[str, object]:
    """Return a configuration document; without services, with one in memory called `items`."""
    listen = {"host": "127.0.0.1", "port": port}
    return {"service": listen, "services": list(services) or [sqlite()]}


def config(*services: Service, port: int = 0) -> Config:
    """Return a configuration."""
    return parse_config(document(*services, port=port))


def listening(*listen: dict[str, object]) -> Config:
    """Return a configuration with these listeners."""
    return parse_config({**document(), "service": {"listen": list(listen)}})


def write_config(folder: Path, content: object) -> str:
    """Write a configuration file; return its name."""
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "config.json").write_text(text)
    return "config.json"


@asynccontextmanager
async def running(
    *services: Service,
    port: int = 0,
    limits: Limits | None = None,
    transport: TransportLimits | None = None,
) -> AsyncIterator[RunningServer]:
    """Run a server with these services, as a program of its own would."""
    wanted = config(*services, port=port)
    limits, transport = limits or wanted.limits, transport or wanted.transport
    async with serve(dataclasses.replace(wanted, limits=limits, transport=transport)) as server:
        yield server


@asynccontextmanager
async def ending(*services: Service) -> AsyncIterator[tuple[RunningServer, Callable[[], None]]]:
    """Run a server and a function that begins its end; the block goes on meanwhile."""
    opened, end = anyio.Event(), anyio.Event()
    servers: list[RunningServer] = []

    async def serve_until_then() -> None:
        async with running(*services) as server:
            servers.append(server)
            opened.set()
            await end.wait()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve_until_then)
        await opened.wait()
        yield servers[0], end.set
        end.set()


async def until(condition: Callable[[], bool]) -> None:
    """Return once a condition holds that this process can see; others run meanwhile."""
    with anyio.fail_after(20):
        while not condition():
            await anyio.sleep(0.001)
