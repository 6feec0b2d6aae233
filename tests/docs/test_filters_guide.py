"""docs/filters.md: its pages in real Chromium, its Python and command, and what it says of filters and limits."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from sharedstate_anyio import parse_config
from sharedstate_core.expressions.evaluator import Program
from sharedstate_core.filters.where import MAX_DEPTH, MAX_TERMS, MAX_VALUES, parse_where
from sharedstate_core.limits import Limits
from sharedstate_core.patches.pointers import MAX_PATH
from sharedstate_core.views.view_index import MAX_MEMBERS
from tests.browser.test_browser import SECONDS, run_scenario
from tests.docs.test_examples import Block, blocks
from tests.support.services.command import Command, started

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE: Final = "docs/filters.md"
TEXT: Final = (Path(__file__).parents[2] / PAGE).read_text("utf-8")
BIN: Final = Path(sys.executable).parent
USERS: Final = {"ANN": ["ann"], "BOB": ["bob"], "MODERATOR": ["mo", "--claim", "role=moderator"]}


def of(language: str) -> list[Block]:
    return [block for block in blocks() if (block.page, block.language) == (PAGE, language)]


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    with started("--port", "0", folder=tmp_path) as server:
        yield server.port


def token(folder: Path, *user: str) -> str:
    command: list[str | Path] = [BIN / "sharedstate-anyio", "token", "config.json", "--user", *user]
    return subprocess.check_output(command, cwd=folder, text=True, timeout=60).strip()


def test_pages(tmp_path: Path) -> None:
    """All of them, with the rules of both configurations, beside which everybody may do everything elsewhere."""
    own, wall = (json.loads(block.text) for block in of("json"))
    free = [
        {"path": f"/{app}/*/*", "read": True, "write": True} for app in ("chat", "shop", "myapp")
    ]
    document = {**own, "rules": [*own["rules"], *wall["rules"], *free]}
    (tmp_path / "secret.txt").write_text("a secret that is long enough for this test")
    (tmp_path / "config.json").write_text(json.dumps(document))
    tokens = {name: token(tmp_path, *user) for name, user in USERS.items()}
    extra = {"SHAREDSTATE_CONFIG": "config.json", **tokens}
    run_scenario("filters_guide", "asyncio", tmp_path, SECONDS, **extra)


def test_check_has_nothing_to_say_of_the_rules() -> None:
    for block in of("json"):
        rules = parse_config(json.loads(block.text)).rules
        assert rules is not None
        assert not rules.warnings()


def run_python(port: int, folder: Path) -> None:
    """Run the script of the page, which prints what it says that it prints."""
    (block,) = of("python")
    script = block.text.replace(":9000", f":{port}")
    command = [sys.executable, "-W", "error", "-c", script]
    printed = subprocess.check_output(command, cwd=folder, text=True, timeout=60)
    said = re.findall(r"^ +print\(.*\)  # (.*)$", block.text, re.MULTILINE)
    assert len(said) == 3
    assert printed.splitlines() == said


def test_python_and_the_command(port: int, tmp_path: Path) -> None:
    run_python(port, tmp_path)
    (block,) = of("sh")
    script = tmp_path / "watch.sh"
    script.write_text(f"exec {BIN}/{block.text.replace(':9000', f':{port}')}")
    watch = Command(str(script), folder=tmp_path, program=Path("/bin/sh"))
    try:
        watch.says(r'"m199".*\n')
        shown = [json.loads(line)["new"] for line in watch.output.splitlines()]
        assert shown == [{"id": f"m{n}", "text": f"number {n}"} for n in range(150, 200)]
        watch.send(signal.SIGINT)
        assert watch.finish() == 130
    finally:
        watch.kill()


ROWS: Final = re.findall(r"^\| `(\{.*?\})` \| `(.*?)` \| (?:`(.*?)` )?\|$", TEXT, re.MULTILINE)


@pytest.mark.parametrize(("where", "item", "other"), ROWS)
def test_what_a_filter_asks(where: str, item: str, other: str) -> None:
    program = Program(parse_where(json.loads(where), "where"))
    assert program.evaluate({"item": json.loads(item)}) is True
    assert not other or program.evaluate({"item": json.loads(other)}) is not True


def test_every_row_is_looked_at() -> None:
    _, table = TEXT.split("| filter | holds for | not for |\n|---|---|---|\n")
    assert len(ROWS) == len(table.split("\n\n")[0].splitlines())


def test_numbers() -> None:
    costs = " ".join(TEXT.split("## What it costs")[1].split("## ")[0].split())
    limits = Limits()
    for said in (
        f"{limits.views:,} different ones of a collection",
        f"{limits.scanned_views} different ones of a collection",
        f"{MAX_MEMBERS} at most in a collection",
        f"has {MAX_TERMS} tests and connectives at most",
        f"pointers of {MAX_PATH} members",
        f"{MAX_DEPTH} connectives within one another",
        f"{MAX_VALUES:,} values in lists",
        f"`last` is {limits.last:,} at most",
    ):
        assert said in costs
