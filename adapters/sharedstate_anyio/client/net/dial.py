"""Connecting: a stream to the server, and the WebSocket handshake on it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import anyio
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, RejectConnection, Request
from wsproto.utilities import ProtocolError

from .errors import ConnectError, reason_of
from .link import BROKEN, CHUNK_BYTES, Link

if TYPE_CHECKING:
    from anyio.abc import ByteStream
    from wsproto.events import Event

    from .address import Address
    from .link import LinkOptions

NO_HANDSHAKE: Final = (ProtocolError, UnicodeDecodeError)
"""What wsproto raises for an invalid answer; the second one for a header that is not ASCII."""


async def open_link(address: Address, options: LinkOptions) -> Link:
    """Connect and open a WebSocket.

    Raises:
        ConnectError: no connection, no TLS, no WebSocket; or it took longer than `connect_timeout`.
    """
    place = address.socket or address.authority
    stream: ByteStream | None = None
    try:
        with anyio.fail_after(options.connect_timeout):
            stream = await _connect(address, options)
            return await _shake_hands(stream, address, options)
    except BaseException as error:
        if stream is not None:
            with anyio.CancelScope(shield=True):
                await anyio.aclose_forcefully(stream)
        if isinstance(error, (*BROKEN, *NO_HANDSHAKE)):
            no_server = isinstance(error, NO_HANDSHAKE)
            why = "this is not a WebSocket server" if no_server else reason_of(error)
            raise ConnectError(f"cannot connect to {place}: {why}") from error
        raise


async def _connect(address: Address, options: LinkOptions) -> ByteStream:
    if address.socket is not None:
        return await anyio.connect_unix(address.socket)
    if not address.tls:
        return await anyio.connect_tcp(address.host, address.port)
    return await anyio.connect_tcp(
        address.host,
        address.port,
        tls=True,
        ssl_context=options.ssl_context,
        tls_standard_compatible=False,  # a WebSocket has a closing handshake of its own
    )


async def _shake_hands(stream: ByteStream, address: Address, options: LinkOptions) -> Link:
    websocket = WSConnection(ConnectionType.CLIENT)
    headers = list(options.headers)
    request = Request(host=address.authority, target=address.target, extra_headers=headers)
    await stream.send(websocket.send(request))
    events: list[Event] = []
    while not events:
        websocket.receive_data(await stream.receive(CHUNK_BYTES))
        events = list(websocket.events())
    match events[0]:
        case AcceptConnection():
            return Link(stream, websocket, events[1:], options)
        case RejectConnection(status_code=status) as rejected:
            problem = f"cannot connect to {address}: it answers {status} to a WebSocket handshake"
            raise ConnectError(problem + _hint(rejected, address), status)
        case _:
            raise ConnectError(f"cannot connect to {address}: this is not a WebSocket server")


def _hint(rejected: RejectConnection, address: Address) -> str:
    """Return a hint, if a reverse proxy, a name or a wrong scheme may be the cause."""
    for name, value in rejected.headers:
        if name.lower() == b"location":
            return f"; it points to {value.decode('latin-1')[:200]!r}"
    if rejected.status_code == HTTPStatus.MISDIRECTED_REQUEST:
        return '; it does not know that name: the key "hosts" of its configuration lists those that it knows'
    plain = not address.tls and address.socket is None
    return "; if it speaks TLS, write wss://" if rejected.status_code == 400 and plain else ""
