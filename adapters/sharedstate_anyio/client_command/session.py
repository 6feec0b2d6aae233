"""A client for one command: its messages about the connection, and its patience."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

import anyio

from sharedstate_anyio.client import ConnectionLostError, RequestError, connect
from sharedstate_anyio.client.net.address import parse_address

from .failures import BAD_INPUT, CommandError
from .filtering import WHOLE
from .saying import say

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from sharedstate_anyio.client import Client, Dataset, TokenSource

    from .filtering import Part

T = TypeVar("T")


class Connecting(NamedTuple):
    """How to connect.

    Attributes:
        ssl_context: for `wss`; None for the system's.
        headers: of the handshake.
        token: shows the server who it is; None for nothing.
        timeout: seconds for the first connection; no more than `patience`.
        patience: seconds to wait for a connection, an answer, or the server's storage before giving up.
    """

    ssl_context: ssl.SSLContext | None
    headers: dict[str, str]
    token: TokenSource | None
    timeout: float
    patience: float


def connecting(options: Namespace) -> Connecting:
    """Read the options that all commands share.

    Raises:
        CommandError: the certificates cannot be read, or do not apply.
    """
    context = None
    if options.key is not None and options.cert is None:
        raise CommandError("--key needs --cert", BAD_INPUT)
    if options.ca is not None or options.cert is not None:
        if not parse_address(options.target.url).tls:
            raise CommandError("--ca and --cert apply only to wss:// and https://", BAD_INPUT)
        file = options.ca
        try:
            context = ssl.create_default_context(cafile=options.ca)
            if options.cert is not None:
                file = " and ".join(filter(None, [options.cert, options.key]))
                context.load_cert_chain(options.cert, options.key, _no_password)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            problem = f"{file}: no certificates there ({why})"
            raise CommandError(problem, BAD_INPUT) from None
    token = _token(options)
    return Connecting(context, dict(options.header), token, options.timeout, options.patience)


def _token(options: Namespace) -> TokenSource | None:
    """Return what shows the server who it is.

    Raises:
        CommandError: there are two, or the file cannot be read.
    """
    file: Path | None = options.token_file
    if file is None:
        return cast("str | None", options.token)
    if options.token is not None:
        raise CommandError("--token and --token-file: only one of them", BAD_INPUT)

    def read(reason: str) -> str:  # noqa: ARG001  (whatever it is, the file has the present one)
        return file.read_text("utf-8").strip()

    try:
        read("connect")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise CommandError(f"{file}: no token there ({why})", BAD_INPUT) from None
    return read


def _no_password() -> str:
    """Refuse an encrypted key, instead of asking at the terminal."""
    raise ValueError("the key is encrypted")


@asynccontextmanager
async def session(url: str, how: Connecting) -> AsyncIterator[Client[bytes]]:
    """Run a connected client whose items are JSON text.

    Raises:
        ConnectError: the first attempt failed.
        CommandError: there was no connection for too long.
    """
    impatient = False
    async with (
        connect(
            url,
            ssl_context=how.ssl_context,
            headers=how.headers,
            token=how.token,
            connect_timeout=min(how.timeout, how.patience),
            loads=bytes,
        ) as client,
        anyio.create_task_group() as tasks,
    ):

        async def attend() -> None:
            nonlocal impatient
            statuses = client.status_changes()
            async for status in statuses:
                if status == "reconnecting":
                    say("connection lost; trying to connect again")
                    with anyio.move_on_after(how.patience) as waiting:
                        await anext(statuses)
                        say("connected again")
                    if waiting.cancelled_caught:
                        impatient = True
                        tasks.cancel_scope.cancel()

        tasks.start_soon(attend)
        yield client
        tasks.cancel_scope.cancel()
    if impatient:
        raise CommandError(f"no connection for {how.patience:g} s")


async def answered(
    client: Client[bytes], patience: float, request: Awaitable[T], place: str = ""
) -> T:
    """Return the server's answer; after a reconnect the time limit starts anew.

    Args:
        client: sends the request.
        patience: time limit in seconds.
        request: what to await.
        place: prefix of the error message, such as `line 3: `.

    Raises:
        CommandError: it did not answer; the outcome is unknown.
    """
    is_silent = False

    async def listen() -> None:
        nonlocal is_silent
        statuses = client.status_changes()
        while not is_silent:
            with anyio.move_on_after(patience) as waiting:
                await anext(statuses)
            is_silent = waiting.cancelled_caught and client.status == "connected"
        tasks.cancel_scope.cancel()

    answers: list[T] = []
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        try:
            answers.append(await request)
        except Exception as error:  # noqa: BLE001  (raised again, outside of the task group)
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if not answers:
        problem = f"{place}the server has not answered for {patience:g} s"
        raise CommandError(problem, in_doubt=True)
    return answers[0]


async def acquired(
    client: Client[bytes], path: str, patience: float, part: Part = WHOLE
) -> Dataset[bytes]:
    """Acquire a collection, or a part of it; meanwhile check now and then that the server and its storage still answer.

    A server whose storage is unavailable keeps trying to load the collection, for as long as it takes.

    Raises:
        RequestError: the server refuses, or its storage is not available.
        CommandError: it does not answer.
    """
    found: list[Dataset[bytes]] = []
    problem: RequestError | None = None

    async def ask(get: Callable[[], Awaitable[object]]) -> None:
        nonlocal problem
        while True:
            await anyio.sleep(patience)
            try:
                await get()  # a list that is too large is an answer, too
            except ConnectionLostError:
                continue
            except RequestError as error:
                if (
                    error.code != "unavailable"
                ):  # for example, the collection is too long for one answer
                    continue
                problem = error
                tasks.cancel_scope.cancel()

    async def see_whether_it_answers() -> None:
        while True:
            with suppress(ConnectionLostError, RequestError):
                await answered(client, patience, client.get("/"))  # needs no storage
            await anyio.sleep(patience)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(see_whether_it_answers)
        tasks.start_soon(ask, lambda: client.get(path.rpartition("/")[0]))
        tasks.start_soon(
            ask, lambda: client.get(path, **part)
        )  # perhaps only this collection cannot be read
        found.append(await client.acquire(path, **part))
        tasks.cancel_scope.cancel()
    if problem is not None:
        raise problem
    return found[0]
