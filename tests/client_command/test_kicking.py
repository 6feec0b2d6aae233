"""kick, as operators run it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sharedstate_anyio import parse_config, serve
from sharedstate_anyio.client import RequestError, connect
from sharedstate_anyio.client_command.target import Target, parse_server
from tests.support.peer import ClosedError, open_client
from tests.support.services.servers import document, running
from tests.support.services.shell import shell
from tests.support.tokens import SECRET, Signer, claims

if TYPE_CHECKING:
    from pathlib import Path

AUTH = {
    "auth": {"jwt": {"secret": SECRET}},
    "rules": [{"path": "/*/*/*", "read": "user != null", "admin": "user.role == 'admin'"}],
}


async def test_an_operator_with_a_token(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(Signer("HS256").token(claims(sub="op", role="admin")))
    async with (
        serve(parse_config({**document(), **AUTH})) as server,
        open_client(server.port) as ann,
    ):
        await ann.put("/session", {"token": Signer("HS256").token()})
        refused = await shell(
            "kick", server.url, "--user", "ann", "--token", Signer("HS256").token()
        )
        assert (refused.status, refused.output) == (1, "")
        assert "only admins of all collections may do this" in refused.errors
        ended = await shell("kick", server.url, "--user", "ann", "--token-file", str(token))
        assert (ended.status, ended.errors) == (0, "sharedstate: closed 1 connection of ann\n")
        assert (await ann.message())["reason"] == "revoked"
        with pytest.raises(ClosedError, match="4403"):
            await ann.message()
        quiet = await shell("kick", server.url, "--user", "ann", "--token-file", str(token), "-q")
        assert (quiet.status, quiet.errors) == (0, "")


async def test_without_rules_nobody_may() -> None:
    async with running() as server, connect(server.url) as client:
        with pytest.raises(RequestError, match="no rules here that make anybody an admin"):
            await client.kick("ann")


def test_a_server_is_named_by_all_of_its_address() -> None:
    assert parse_server("wss://example.org/folder/") == Target("wss://example.org/folder/", "/")
    with pytest.raises(ValueError, match="is not a URL"):
        parse_server("a b")
