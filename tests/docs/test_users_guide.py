"""docs/users-and-rights.md: its chat in real Chromium, its commands, and its Python with what it says of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from sharedstate_anyio import parse_config
from sharedstate_anyio.auth import Authenticator
from sharedstate_anyio.auth.credentials import credentials
from sharedstate_anyio.logs.repeated_errors import RepeatedErrors
from sharedstate_core import CollectionPath
from sharedstate_core.expressions.evaluator import Program
from sharedstate_core.expressions.parser import parse
from sharedstate_core.expressions.tree import Literal
from tests.browser.test_browser import SECONDS, run_scenario
from tests.docs.test_examples import Block, blocks
from tests.support.ports import free_port

PAGE: Final = "docs/users-and-rights.md"
BIN: Final = Path(sys.executable).parent
STAND_INS: Final = Path(__file__).parents[1] / "support/stand_ins"
"""What stands for packages that the page uses."""


def of(language: str) -> list[Block]:
    return [block for block in blocks() if (block.page, block.language) == (PAGE, language)]


def sh(script: str, folder: Path) -> str:
    """Run a script with the commands of this package; return what it prints."""
    return subprocess.run(
        ["sh", "-ec", script],
        cwd=folder,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    ).stdout


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    """Return a folder with the three files of the chat."""
    secret, *_ = of("sh")
    page = of("html")[0]
    sh(secret.text, tmp_path)
    (tmp_path / "config.json").write_text(of("json")[0].text)
    (tmp_path / "public").mkdir()
    (tmp_path / "public/index.html").write_text(page.text)
    return tmp_path


def test_every_script_is_run_here() -> None:
    assert len(of("sh")) == 3
    assert len(of("python")) == 2
    assert len(of("html")) == 2


def test_the_chat(chat: Path) -> None:
    *tokens, start = of("sh")[1].text.splitlines()
    assert start == "sharedstate-anyio config.json"
    ann, bob = (sh(line, chat).strip() for line in tokens)
    run_scenario(
        "users_guide", "asyncio", chat, SECONDS, SHAREDSTATE_CONFIG="config.json", ANN=ann, BOB=bob
    )


def test_explain(chat: Path) -> None:
    command, *said = of("sh")[2].text.splitlines()
    assert sh(command, chat).splitlines() == [line.removeprefix("# ") for line in said]


def test_which_orders_one_sees() -> None:
    (text,) = [each.text for each in of("json") if "item.helpers" in each.text]
    rules = parse_config(json.loads(text)).rules
    assert rules is not None
    match = rules.entry(CollectionPath("shop", "items", "orders"))
    assert match is not None
    orders = {
        "of Ann": {"by": "ann", "helpers": []},
        "with Ann": {"by": "bob", "helpers": ["ann"]},
        "of Bob": {"by": "bob", "helpers": []},
        "without helpers": {"by": "bob"},
    }

    def seen(**user: str) -> list[str]:
        program = Program(match.readable(user))
        return [name for name, item in orders.items() if program.evaluate({"item": item}) is True]

    assert seen(id="ann") == ["of Ann", "with Ann"]
    assert seen(id="bob") == ["with Ann", "of Bob", "without helpers"]
    assert seen(id="eve", role="staff") == list(orders)
    assert match.readable(None) == Literal(False)


@pytest.mark.parametrize(
    ("rule", "shown"),
    [
        ("item.hidden != true", [False, True]),
        ("!has(item.hidden) || item.hidden != true", [True] * 2),
    ],
)
def test_an_error_hides_an_item(rule: str, shown: list[bool]) -> None:
    assert f"`{rule}`" in (Path(__file__).parents[2] / PAGE).read_text()
    items: list[dict[str, object]] = [{}, {"hidden": False}, {"hidden": True}]
    found = [Program(parse(rule)).evaluate({"item": item}) is True for item in items]
    assert found == [*shown, False]


def test_check_has_nothing_to_say_of_the_rules(chat: Path) -> None:
    for block in of("json"):
        rules = parse_config(json.loads(block.text)).rules
        assert rules is not None
        assert not rules.warnings()
    assert "ok: rules: 1\n" in sh("sharedstate-anyio check config.json", chat)


def test_fastapi(chat: Path) -> None:
    """The whole application, with a stand-in for the framework, in a browser."""
    (text,) = [each.text for each in of("python") if each.text.startswith("# app.py\n")]
    (chat / "app.py").write_text(text)
    port, application = free_port(), free_port()
    page = of("html")[1].text.replace(":9000", f":{port}")
    (chat / "chat.html").write_text(page)
    run = f"import app, fastapi; fastapi.serve(app.app, {application})"
    environment = {**os.environ, "PYTHONPATH": f"{STAND_INS}:{chat}"}
    with subprocess.Popen([sys.executable, "-c", run], cwd=chat, env=environment) as process:
        try:
            extra = {"SHAREDSTATE_CONFIG": "config.json", "SHAREDSTATE_PORT": str(port)}
            address = f"http://127.0.0.1:{application}/"
            run_scenario("users_fastapi", "asyncio", chat, SECONDS, APPLICATION=address, **extra)
        finally:
            process.terminate()


async def test_a_function(chat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(chat)
    (chat / "sessions.py").write_text(of("python")[1].text)
    (words,) = re.findall(
        r'`("auth": \{"python".*?\})`', (Path(__file__).parents[2] / PAGE).read_text()
    )
    services = json.loads(of("json")[0].text)["services"]
    auth = parse_config({"services": services, **json.loads(f"{{{words}}}")}).auth
    assert auth is not None
    authenticator = Authenticator(auth, RepeatedErrors())
    found = await authenticator.authenticate(
        credentials(auth, [(b"cookie", b"session=a-long-random-text")])
    )
    assert found is not None
    assert found.user == {"id": "ann", "role": "member"}
