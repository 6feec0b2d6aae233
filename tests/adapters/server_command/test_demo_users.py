"""`--demo-users`: tokens of one start, for this machine only; the page itself is tested in tests/browser."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sharedstate_anyio import parse_config
from sharedstate_anyio.server_command.demo_users import ROLES, DemoUsers
from sharedstate_anyio.server_command.main import main


def tokens(demo: DemoUsers) -> dict[str, str]:
    address = urlsplit(demo.page("http://127.0.0.1:9000/"))
    assert (address.path, address.query) == ("/pages/todo.html", ""), "no server hears of them"
    return {name: token for name, [token] in parse_qs(address.fragment).items()}


def test_the_tokens_are_those_of_one_start() -> None:
    demo = DemoUsers()
    document: Any = demo.document
    known = {each["user"]["id"]: each["sha256"] for each in document["auth"]["keys"]}
    assert known == {
        name: hashlib.sha256(token.encode()).hexdigest() for name, token in tokens(demo).items()
    }
    assert known.keys() == ROLES.keys()
    assert not set(tokens(demo).values()) & set(tokens(DemoUsers()).values())
    assert not any(token in str(document) for token in tokens(demo).values())


def test_the_configuration_is_a_good_one() -> None:
    config = parse_config(DemoUsers().document)
    assert config.rules is not None
    assert not config.rules.warnings()
    assert [each.host for each in config.listen] == ["127.0.0.1"]


@pytest.mark.parametrize("more", [["--host", "0.0.0.0"], ["--unix", "socket"], ["config.json"]])
def test_nobody_else_can_connect(more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--demo-users", *more])
    assert end.value.code == 2
    assert "--demo-users is for this machine only" in capsys.readouterr().err
