"""Scenarios with real Chromium, Node, and a server that is a process of its own.

Each `*.scenario.mjs` is a program that exits with status 0 if all went well; `support.mjs` tells what they share.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ports import free_port
from tests.support.services.servers import document

HERE = Path(__file__).parent
SECONDS = 120
"""How long a scenario may take before a test gives up: far more than it ever does."""
CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)

PACKAGES = HERE.parent / "runtimes/node_modules"
RUNTIMES = {
    ("Linux", "x86_64"): {
        "deno": f"{PACKAGES}/@deno/linux-x64-glibc/deno",
        "bun": f"{PACKAGES}/@oven/bun-linux-x64-baseline/bin/bun",
    },
    ("Linux", "aarch64"): {
        "deno": f"{PACKAGES}/@deno/linux-arm64-glibc/deno",
        "bun": f"{PACKAGES}/@oven/bun-linux-aarch64/bin/bun",
    },
}.get((platform.system(), platform.machine()), {})


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize(
    "name",
    [
        "example",
        "readme",
        "bundles",
        "index",
        "node",
        "viewer",
        "demos",
        "demo_users",
        "hostile",
        "scale",
        "filters",
        "views",
    ],
)
def test_scenario(name: str, loop: str, tmp_path: Path) -> None:
    run_scenario(name, loop, tmp_path, SECONDS)


def test_runtimes(tmp_path: Path) -> None:
    """What differs between runtimes is not the server's loop, so one will do."""
    if not RUNTIMES:
        pytest.skip(f"there is no Deno and no Bun for {platform.platform()}")
    for file in RUNTIMES.values():
        assert Path(file).is_file(), f"{file} is missing: make .stamps/runtimes"
    run_scenario("runtimes", "asyncio", tmp_path, SECONDS, RUNTIMES=json.dumps(RUNTIMES))


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_files(loop: str, tmp_path: Path) -> None:
    """A page of one's own, from the server's own address."""
    (tmp_path / "public").mkdir()
    shutil.copy(HERE / "served.html", tmp_path / "public" / "index.html")
    content = {**document(), "files": {"/": "public"}}
    (tmp_path / "config.json").write_text(json.dumps(content))
    run_scenario("files", loop, tmp_path, SECONDS, SHAREDSTATE_CONFIG="config.json")


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_rebinding(loop: str, tmp_path: Path) -> None:
    """A server that others can reach, and that knows one name of its own."""
    listen = {"host": "0.0.0.0", "port": 0}
    content = {**document(), "service": listen, "hosts": ["state.example"]}
    (tmp_path / "config.json").write_text(json.dumps(content))
    run_scenario("rebinding", loop, tmp_path, SECONDS, SHAREDSTATE_CONFIG="config.json")


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_asleep(loop: str, tmp_path: Path) -> None:
    """A server with users, whose tokens may expire at once."""
    (tmp_path / "secret.txt").write_text(secrets.token_urlsafe(32))
    stored = {"db_type": "sqlite", "db_name": "items.db"}
    content = {
        "services": [{"name": "items", "module": "items_service", "config": stored}],
        "auth": {"grace_seconds": 0, "jwt": {"secret_file": "secret.txt", "leeway_seconds": 0}},
        "rules": [
            {"path": "/app/items/staff", "read": "user.role == 'editor'", "write": "user != null"},
            {"path": "/app/items/*", "read": "user != null", "write": "user.role == 'editor'"},
        ],
    }
    (tmp_path / "config.json").write_text(json.dumps(content))
    run_scenario("asleep", loop, tmp_path, SECONDS, SHAREDSTATE_CONFIG="config.json")


def run_scenario(name: str, loop: str, folder: Path, seconds: float, **extra: str) -> str:
    """Run a scenario in a folder of its own, with further variables; return what it printed."""
    assert CHROMIUM, "the browser tests need Chromium: apt-get install chromium"
    command = Path(sys.executable).with_name("sharedstate-anyio")
    environment = {
        **os.environ,
        "SHAREDSTATE_COMMAND": str(command),
        "SHAREDSTATE_PORT": str(free_port()),
        "SHAREDSTATE_LOOP": loop,
        "CHROMIUM": CHROMIUM,
        **extra,
    }
    with subprocess.Popen(
        ["node", str(HERE / f"{name}.scenario.mjs")],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # so that its browser and its server can be ended with it
    ) as process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
    assert process.returncode == 0, output
    return output
