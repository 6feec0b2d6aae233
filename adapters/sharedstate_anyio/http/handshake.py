"""The requests on a new connection: answered one after the other until one opens a WebSocket."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import anyio
import h11

from sharedstate_anyio.auth import credentials
from sharedstate_anyio.net.gate import Gate
from sharedstate_anyio.net.sockets import finish, receive, send_all
from sharedstate_anyio.net.tls import TlsSocket
from sharedstate_anyio.websocket.deflate import Deflate
from sharedstate_anyio.websocket.frame_reader import FrameReader
from sharedstate_anyio.websocket.upgrade import (
    UpgradeError,
    accept,
    asks_for_websocket,
    check_request,
)

from .answers import Answers
from .exchange import Exchange
from .request_head import Head, read_head
from .responses import error_response
from .site import path_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wsproto.extensions import Extension

    from sharedstate_anyio.auth import AuthRequest
    from sharedstate_anyio.config.live import LiveConfig
    from sharedstate_anyio.net.sockets import Stream
    from sharedstate_anyio.websocket.keepalive import KeepAlive

    from .files import Files
    from .resources import Headers
    from .responses import Response
    from .site import Site

ANSWER_SECONDS: Final = 30.0
"""How long a peer may take to read its answer, or a piece of a large one."""

REQUEST_WEIGHT: Final = 2
"""What a request weighs at the gate, beside a message."""

BROKEN_RULE: Final = (
    "the request breaks the rules of HTTP/1.1 (RFC 9112): its first line, a header, or no Host"
)
_REASONS: Final = {
    431: "the head of the request is too long",
    501: "the only supported Transfer-Encoding is chunked",
}
"""Messages to the peer, by status: h11's own may show a Python object."""


NAMELESS: Final = frozenset({"/healthz", "/readyz"})
"""Paths at which the server answers under any name: load balancers invent one, and there is nothing to protect."""


class Endpoints(Protocol):
    """Answers requests of operators; see `ops.endpoints`."""

    async def respond(
        self, method: str, target: str, headers: Iterable[tuple[bytes, bytes]], address: str
    ) -> Response | None:
        """Answer a request for one of its paths; None for any other.

        Args:
            method: as received.
            target: as received.
            headers: request headers, names in lower case.
            address: where it comes from, as `admission.group` returns it.
        """


@dataclass(frozen=True, slots=True)
class ConnectionContext:
    """What all connections share before they become WebSockets.

    Attributes:
        live: the configuration in force.
        site: answers requests that ask for no WebSocket.
        keep_alive: watches every open WebSocket.
        endpoints: answers requests of operators.
        files: serves the folders of the configuration.
        answers: the HTTP answers in progress.
        gate: lets so many requests in at a time.
        keeps: returns whether a connection from an address may stay open for another request: not when the server is
            full or stopping.
    """

    live: LiveConfig
    site: Site
    keep_alive: KeepAlive
    endpoints: Endpoints | None = None
    files: Files | None = None
    answers: Answers = field(default_factory=Answers)
    gate: Gate = field(default_factory=Gate)
    keeps: Callable[[str], bool] = lambda _: False


class Opened(NamedTuple):
    """An open WebSocket.

    Attributes:
        reader: reads what the peer sends.
        data: what followed the request.
        window_bits: window for compressed messages to the peer; 0: it accepts none.
        proof: what the handshake shows of whose it is; None where nobody signs in.
    """

    reader: FrameReader
    data: bytes
    window_bits: int
    proof: AuthRequest | None


class Came(NamedTuple):
    """Where a connection comes from.

    Attributes:
        address: as `admission.group` returns it.
        host: its own address; empty for a UNIX socket.
        trusted: whether it has passed a proxy that signs people in.
    """

    address: str
    host: str = ""
    trusted: bool = False


async def handshake(
    sock: Stream,
    context: ConnectionContext,
    came: Came,
) -> Opened | None:
    """Answer HTTP requests until one of them opens a WebSocket; a peer that is too slow is dropped.

    Args:
        sock: of the peer.
        context: shared by all connections.
        came: where it comes from.

    Returns:
        The WebSocket after an upgrade; otherwise None: the peer has been answered, or has left.

    Raises:
        OSError: the connection broke.
    """
    with anyio.CancelScope() as scope:
        return await _converse(sock, context, came, scope)
    return None


async def _converse(
    sock: Stream,
    context: ConnectionContext,
    came: Came,
    scope: anyio.CancelScope,
) -> Opened | None:
    live, address = context.live, came.address
    limits = live.now.transport
    scope.deadline = anyio.current_time() + limits.head_seconds
    data = await receive(sock)
    await context.gate.enter(REQUEST_WEIGHT)
    head = read_head(data, limits.head_bytes)
    if head is not None and asks_for_websocket(head.headers):
        with contextlib.suppress(
            UpgradeError
        ):  # found before anything is sent; h11 builds the answer
            return await _open(sock, head, live, came, scope)
    exchange = Exchange(sock, limits.head_bytes)
    exchange.feed(data)
    refusal: Response | None = None
    asked: Headers = []

    def go_on() -> None:
        scope.deadline = anyio.current_time() + ANSWER_SECONDS

    try:
        while (request := await exchange.request()) is not None:
            asked = list(request.headers)
            if asks_for_websocket(request.headers):
                check_request(request)
                head = Head(asked, exchange.rest, request.target.decode("ascii"))
                return await _open(sock, head, live, came, scope)
            go_on()
            with context.answers.one():
                response = _misdirected(request, sock, live)
                response = response or await _response(request, context, address)
                keep = _may_stay(context, address)
                if not await exchange.answer(response, keep=keep, progress=go_on):
                    go_on()
                    await finish(sock)
                    return None
            asked = []
            scope.deadline = math.inf
            if not await exchange.another(live.now.transport.idle_seconds):
                break
            await context.gate.enter(REQUEST_WEIGHT)
            scope.deadline = anyio.current_time() + live.now.transport.head_seconds
    except h11.RemoteProtocolError as error:
        status = error.error_status_hint
        refusal = _refusal(status, _REASONS.get(status, BROKEN_RULE), asked)
    except UpgradeError as error:
        refusal = _refusal(error.status, str(error), asked)
    go_on()
    if refusal is not None:
        await exchange.answer(refusal, keep=False)
    await finish(sock)
    return None


def _may_stay(context: ConnectionContext, address: str) -> bool:
    return context.live.now.transport.idle_seconds > 0 and context.keeps(address)


def _misdirected(request: h11.Request, sock: Stream, live: LiveConfig) -> Response | None:
    """Return the answer to a request that was meant for another server, going by its name."""
    headers = list(request.headers)
    reason = _wrong_name(headers, sock, live)
    if reason is None or path_of(request.target.decode("ascii")) in NAMELESS:
        return None
    return error_response(request.method.decode("ascii"), 421, reason, headers)


def _wrong_name(headers: Headers, sock: Stream, live: LiveConfig) -> str | None:
    return live.now.hosts.refusal(headers, secure=isinstance(sock, TlsSocket))


async def _response(request: h11.Request, context: ConnectionContext, address: str) -> Response:
    headers = list(request.headers)
    method, target = request.method.decode("ascii"), request.target.decode("ascii")
    response: Response | None = None
    if context.endpoints is not None:
        response = await context.endpoints.respond(method, target, headers, address)
    if response is None and context.files is not None and not context.site.keeps(target):
        response = await context.files.respond(method, target, headers)
    return response or context.site.respond(method, target, headers)


async def _open(
    sock: Stream,
    head: Head,
    live: LiveConfig,
    came: Came,
    scope: anyio.CancelScope,
) -> Opened:
    if (reason := _wrong_name(head.headers, sock, live)) is not None:
        raise UpgradeError(reason, 421)
    if (reason := live.now.origins.refusal(head.headers)) is not None:
        raise UpgradeError(reason, 403)
    deflate = Deflate(lambda: live.now.limits.message_bytes)
    extensions: list[Extension] = [] if live.now.compression is None else [deflate]
    await send_all(sock, accept(head.headers, extensions))
    scope.deadline = math.inf
    reader = FrameReader([deflate] if deflate.enabled() else ())
    auth, proof = live.now.auth, None
    if auth is not None:
        proof = credentials(auth, head.headers, head.target, peer=came.host, trusted=came.trusted)
    return Opened(reader, head.rest, deflate.window_bits, proof)


def _refusal(status: int, reason: str, asked: Headers) -> Response:
    needed = [(b"Upgrade", b"websocket"), (b"Sec-WebSocket-Version", b"13")]
    extra = needed if status == 426 else []
    return error_response("GET", status, reason, asked, extra)
