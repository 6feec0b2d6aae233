"""Who is there, to the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.services.servers import running
from tests.support.services.shell import shell

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_token_from_a_file_or_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("abc\n")
    async with running() as server:
        url = f"{server.url}/app/items/c"
        for given in (["--token", "abc"], ["--token-file", str(file)]):
            ended = await shell("put", url, '{"id": "a"}', *given)
            assert (ended.status, ended.errors) == (0, "")
        both = await shell("get", url, "--token", "abc", "--token-file", str(file))
        assert (both.status, both.errors.splitlines()) == (
            2,
            ["sharedstate: --token and --token-file: only one of them"],
        )
        missing = await shell("get", url, "--token-file", str(tmp_path / "other"))
        assert missing.status == 2
        assert "no token there (No such file or directory)" in missing.errors
