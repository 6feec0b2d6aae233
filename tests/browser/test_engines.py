"""The same scenarios in Chromium, Firefox and WebKit, each as Debian has it; `engines.mjs` drives them."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.nightly import leave_to_nightly
from tests.support.ports import free_port
from tests.support.secure import Authority
from tests.support.services.servers import document, sqlite

from .test_browser import SECONDS, run_scenario

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS = {"firefox": ("firefox-esr", "firefox"), "webkit": ("WebKitWebDriver",)}


NIGHTLY = [("firefox", "trio"), ("webkit", "asyncio")]
"""What a browser does hardly depends on the server's loop."""


@pytest.fixture(params=["chromium", "firefox", "webkit"])
def engine(request: pytest.FixtureRequest, loop: str) -> dict[str, str]:
    """Return the variables that name an engine to a scenario."""
    name = request.param
    if (name, loop) in NIGHTLY:
        leave_to_nightly()
    program = next(filter(None, map(shutil.which, PROGRAMS.get(name, ()))), "")
    assert program or name == "chromium", f"{name} is missing: make .stamps/debian"
    return {"ENGINE": name, "FIREFOX": program, "WEBKIT_PORT": str(free_port())}


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize("name", ["engines", "bridges"])
def test_engine(name: str, loop: str, engine: dict[str, str], tmp_path: Path) -> None:
    run_scenario(name, loop, tmp_path, SECONDS, **engine)


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_secure(loop: str, engine: dict[str, str], tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    listen = {"host": "127.0.0.1", "ssl": authority.write()}
    content = {**document(sqlite("items", "items.db"), sqlite("mitems")), "service": listen}
    (tmp_path / "config.json").write_text(json.dumps(content))
    extra = {"SHAREDSTATE_CONFIG": "config.json", "NODE_EXTRA_CA_CERTS": authority.file}
    run_scenario("secure", loop, tmp_path, SECONDS, **engine, **extra)
