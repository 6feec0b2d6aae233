"""No test may leave a part of a token in the log."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from sharedstate_anyio.logs.formatting import JsonFormatter, LineFormatter
from tests.support import tokens

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def rsa() -> tokens.Signer:
    return tokens.Signer("RS256", "rsa-1")


@pytest.fixture(autouse=True)
def no_tokens_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    tokens.made.clear()
    yield
    lines = [
        f(r)
        for r in caplog.get_records("call")
        for f in (LineFormatter().format, JsonFormatter().format)
    ]
    lines += [str(vars(record)) for record in caplog.get_records("call")]
    text = "\n".join(lines)
    for token in tokens.made:
        for part in re.split(r"[^A-Za-z0-9_-]", token):
            assert len(part) < 8 or part[-8:] not in text
