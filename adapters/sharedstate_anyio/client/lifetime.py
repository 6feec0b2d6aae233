"""The life of a client: one `async with`, and the tasks behind it."""

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio

from sharedstate_anyio.tasks.own_task import in_own_task
from sharedstate_core import SharedStateError  # noqa: TC001
from sharedstate_core.arguments import check_number, expect

from . import values
from .client import Client
from .client_hub import ClientHub
from .net.address import parse_address
from .net.connector import Connector
from .net.dial import open_link
from .net.headers import encoded
from .net.link import LinkOptions
from .net.pause import Pause
from .sign_in import TokenSource
from .values import ItemT, check_loads


@in_own_task
async def connect(
    url: str,
    *,
    wait: bool = True,
    ssl_context: ssl.SSLContext | None = None,
    headers: Mapping[str, str] | None = None,
    token: TokenSource | None = None,
    max_queue: int = 1000,
    max_message: int = 64 * 1024 * 1024,
    connect_timeout: float = 10.0,
    ping_interval: float = 20.0,
    ping_timeout: float = 20.0,
    answer_timeout: float = 120.0,
    max_snapshot: int = 256 * 1024 * 1024,
    loads: Callable[[bytes], ItemT] | None = None,
) -> AsyncIterator[Client[ItemT]]:
    """Run a client for the length of an `async with` block, on asyncio or trio.

    Whenever the connection is lost the client reconnects, for as long as it takes, after random pauses of up to 0.25
    seconds at first and 20 in the end, and resumes what it held. Leaving the block closes the client; requests still
    under way end with an error.

    Args:
        url: `ws://host:port` or `wss://host:port` (`http` and `https` mean the same; `host:port` is `ws`), or
            `ws+unix:///path/of/socket`.
        wait: connect first, and raise if that fails; otherwise the block begins at once, and its requests wait.
        ssl_context: for `wss`; default: trust the system's certificates.
        headers: additional headers of the WebSocket handshake, for a proxy in front of the server.
        token: shows the server whose the connections are: a string, or a function, plain or async, that is called with
            the keyword `reason` and returns one, or None for nobody. It is asked at every attempt to connect, never
            twice at once, and before a token expires; `reason` is `connect`, `expires`, or what the server says of the
            last one (`expired`, `invalid`…). What it raises is logged, and it is asked again after a pause, unless it
            is an `Unauthorized`.
        max_queue: maximum number of requests that wait for a connection; further ones fail with `too_many`, with 0 all
            do.
        max_message: longest message accepted from the server, in bytes.
        connect_timeout: time limit for one attempt to connect, in seconds.
        ping_interval: seconds of silence after which the server is pinged.
        ping_timeout: seconds within which it must answer before the connection counts as lost.
        answer_timeout: seconds within which the server must answer each request, or the connection counts as lost; it
            may take a quarter more until that is noticed.
        max_snapshot: characters of JSON text that the parts of one snapshot may have together; a collection with more
            is refused with `too_large`.
        loads: makes an item from its JSON text, which also gives the type of items; default: a `dict` of Python values.
            With `bytes`, items are their JSON text, to the last digit.

    Raises:
        ValueError: the URL is invalid, a number is out of range, or HTTP does not allow a header.
        TypeError: an argument has another type.
        RequestError: the token was refused, `unauthenticated` (with `wait`).
        ConnectError: the first attempt failed (with `wait`), a later one was answered with 401 or 403, or the server
            sent the client away with a close code from 4400 to 4499; the block is then cancelled.
    """
    address = parse_address(url)
    expect("wait", wait, bool)
    if headers is not None:
        expect("headers", headers, Mapping)
    check_number("max_queue", max_queue, 0)
    check_number("answer_timeout", answer_timeout, 0.001, whole=False)
    if loads is not None:
        check_loads(loads)
    options = LinkOptions(
        ssl_context=ssl_context,
        headers=tuple(encoded(*each) for each in (headers or {}).items()),
        max_message=max_message,
        connect_timeout=connect_timeout,
        ping_interval=ping_interval,
        ping_timeout=ping_timeout,
    )
    if not (token is None or callable(token)):
        expect("token", token, str)
    hub = ClientHub(max_queue, max_snapshot, token)
    pause = Pause()
    client: Client[ItemT] = Client(hub, pause, loads or values.loads)
    link = await open_link(address, options) if wait else None
    connector = Connector(hub, address, options, pause, link)
    patience = connect_timeout if wait and token is not None else None
    async with _kept_connected(client, hub, connector, answer_timeout, patience):
        yield client


@asynccontextmanager
async def _kept_connected(
    client: Client[Any],
    hub: ClientHub,
    connector: Connector,
    answer_timeout: float,
    patience: float | None,
) -> AsyncIterator[None]:
    """Run the client's tasks for the length of a block; a failure of the connector cancels it.

    With `patience`, the block begins once it is known whose the connection is, or after so many seconds.
    """
    refusal: SharedStateError | None = None
    async with anyio.create_task_group() as tasks:
        try:
            with anyio.CancelScope() as block:
                tasks.start_soon(connector.run, block)
                tasks.start_soon(client.clock.run)
                tasks.start_soon(hub.watch, answer_timeout)
                tasks.start_soon(hub.sign_in.run, hub)
                tasks.start_soon(hub.sign_in.refresh)
                if patience is not None:
                    with anyio.move_on_after(patience):
                        refusal = await hub.signed_in()
                if refusal is None:
                    yield
            await connector.goodbye()
        finally:
            hub.close()
            client.clock.end()
            tasks.cancel_scope.cancel()
    if refusal is not None:
        raise refusal
    if connector.failure is not None:
        raise connector.failure
