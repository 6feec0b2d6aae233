"""Who may ask for the metrics, how, and what is said without the package that they need."""

from __future__ import annotations

import json
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_anyio import parse_config, serve
from tests.support.asking import ask
from tests.support.services.servers import document, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sharedstate_anyio import RunningServer


@asynccontextmanager
async def serving(metrics: str) -> AsyncIterator[RunningServer]:
    known = {"hosts": ["app.example.org"]}
    async with serve(parse_config({**document(), "metrics": metrics, **known})) as server:
        yield server


@pytest.mark.parametrize(
    ("metrics", "headers", "status", "part"),
    [
        ("local", {}, 200, "sharedstate_connections 0.0\n"),
        ("local", {"X_Forwarded_For": "10.0.0.1"}, 403, '"anyone"'),
        ("local", {"FORWARDED": "for=10.0.0.1"}, 403, "this machine only"),
        ("local", {"via": "1.1 proxy"}, 403, "this machine only"),
        ("local", {"X_Forwarded_Proto": "https"}, 403, "this machine only"),
        ("local", {"X_Original_Host": "app.example.org"}, 403, "this machine only"),
        ("local", {"Host": "app.example.org"}, 403, "this machine only, asked as localhost"),
        ("local", {"Host": "192.168.1.7:9000"}, 403, "this machine only"),
        ("local", {"Host": "LOCALHOST.:9000"}, 200, "process_open_fds"),
        ("local", {"Host": "[::1]:9000"}, 200, "process_open_fds"),
        ("anyone", {"Host": "app.example.org"}, 200, "process_open_fds"),
        ("anyone", {"X_Forwarded_For": "10.0.0.1"}, 200, "process_open_fds"),
        ("off", {}, 404, 'The key "metrics"'),
    ],
)
async def test_who_may_ask(metrics: str, headers: dict[str, str], status: int, part: str) -> None:
    async with serving(metrics) as server:
        found, _, body = await ask(server.port, "/metrics?x=1", **headers)
        text = body if status == 200 else json.loads(body)["error"]["message"]
        assert (found, part in text) == (status, True)
        assert (await ask(server.port, "/", **headers))[0] == 200


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("192.0.2.7", 403),
        ("127.0.0.1", 200),
        ("127.9.9.9", 200),
        ("::1", 200),
        ("2001:db8::1", 403),
    ],
)
async def test_where_it_comes_from(
    address: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sharedstate_anyio.connections.acceptor.group", real_group(address))
    async with running() as server:
        assert (await ask(server.port, "/metrics"))[0] == status
        assert (await ask(server.port, "/readyz"))[0] == 200


def real_group(address: str) -> Any:
    from sharedstate_anyio.connections.admission import group

    return lambda _: group(address)


@pytest.mark.parametrize("target", ["/metrics", "/readyz"])
async def test_the_methods(target: str) -> None:
    async with running() as server:
        status, headers, body = await ask(server.port, target, "HEAD")
        assert (status, body) == (200, "")
        assert int(headers["content-length"]) > 0
        status, headers, _ = await ask(server.port, target, "POST", Content_Length="0")
        assert (status, headers["allow"]) == (405, "GET, HEAD")


async def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sharedstate_anyio.ops.metrics", raising=False)
    for name in [name for name in sys.modules if name.split(".")[0] == "prometheus_client"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Hidden(), *sys.meta_path])
    async with running() as server:
        status, _, body = await ask(server.port, "/metrics")
        assert status == 404
        assert "pip install 'sharedstate[metrics]'" in json.loads(body)["error"]["message"]
        assert (await ask(server.port, "/readyz"))[0] == 200


class Hidden:
    """Makes it as if prometheus-client were not installed."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name.split(".", maxsplit=1)[0] == "prometheus_client":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
