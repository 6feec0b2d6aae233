"""`sharedstate-anyio token --verify`: whose a token is at the server of a configuration, or exactly why it is nobody's.

What the server tells a client is only that a token is not valid. Whoever has the configuration may know more.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import msgspec

from sharedstate_anyio.auth import Authenticator, AuthRequest, Identity, Unauthenticated
from sharedstate_anyio.auth.claims import read_object
from sharedstate_anyio.auth.token_parts import take_apart
from sharedstate_anyio.logs.repeated_errors import RepeatedErrors
from sharedstate_backends import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sharedstate_anyio.config.auth import AuthConfig

VALID: Final = 0
REFUSED: Final = 1

STDIN: Final = "-"
"""Stands for standard input, in place of a file."""
FILE_BYTES: Final = 64 * 1024
"""Longest file of a token: much longer than a token may be, which is said of one that is too long."""


def verify_token(auth: AuthConfig | None, file: str) -> tuple[int, list[str]]:
    """Return the exit status, and lines that say whose a token is, or why it is refused.

    Args:
        auth: of the configuration.
        file: that holds the token; `-` for standard input. White space around it does not count.

    Raises:
        ConfigurationError: the configuration knows no tokens, or the file cannot be read.
    """
    if auth is None:
        raise ConfigurationError("auth", "is missing: no token is valid")
    token = _read(file)
    try:
        found = anyio.run(_ask, Authenticator(auth, RepeatedErrors()), token)
    except Unauthenticated as refused:
        return REFUSED, [f"refused ({refused.reason}): {refused.text}", *_content(token)]
    return VALID, [f"valid {_until(found)}: {_json(found.user)}"]


async def _ask(authenticator: Authenticator, token: str) -> Identity:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(authenticator.run)  # fetches a key set
        try:
            found: Identity | Unauthenticated | None = await authenticator.authenticate(
                AuthRequest(token)
            )
        except Unauthenticated as error:
            found = error  # raised in a task group, it would come out within another exception
        tasks.cancel_scope.cancel()
    if isinstance(found, Identity):
        return found
    raise found or Unauthenticated("missing", "there is no token")


def _content(token: str) -> Iterator[str]:
    """Yield what a JSON Web Token says, for comparison with the configuration: nothing of it is verified."""
    with suppress(Unauthenticated):
        parts = take_apart(token)
        kid = "" if parts.kid is None else f", kid {_json(parts.kid)}"
        yield f"  its head says: alg {_json(parts.algorithm)}{kid}"
        yield f"  its claims are: {_json(read_object(parts.payload, 'the content'))}"


def _until(found: Identity) -> str:
    if found.expires is None:
        return "for ever"
    moment = datetime.fromtimestamp(found.expires, UTC)
    return f"until {moment:%Y-%m-%d %H:%M:%S} UTC"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _read(file: str) -> str:
    try:
        if file == STDIN:
            data = sys.stdin.buffer.read(FILE_BYTES)
        else:
            with Path(file).open("rb") as opened:
                data = opened.read(FILE_BYTES)
        return data.decode().strip()
    except UnicodeDecodeError:
        raise ConfigurationError("--verify", f"is no text; check {file!r}") from None
    except OSError as error:
        problem = f"cannot be read: {error.strerror or type(error).__name__}; check {file!r}"
        raise ConfigurationError("--verify", problem) from None
