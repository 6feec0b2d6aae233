"""The first request on a socket: a page to answer, or a WebSocket to open."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import anyio
import h11

from .compression import Deflate
from .http import Response
from .reading import FrameReader
from .request_head import Head, read_head
from .sockets import finish, receive, send_all
from .upgrade import UpgradeError, accept, asks_for_websocket, check_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsproto.extensions import Extension

    from .http import Site
    from .inspection import Inspection
    from .keepalive import KeepAlive
    from .limits import TransportLimits
    from .origins import Origins
    from .reading import Reader
    from .sockets import Stream

ANSWER_SECONDS: Final = 30.0
"""How long a peer may take to read its answer, which is at most a bundle of some ten kilobytes."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """What holds for everybody who connects.

    Attributes:
        site: answers requests that ask for no WebSocket.
        origins: whose pages may open a WebSocket.
        limits: bounds of the transport.
        keep_alive: watches every open WebSocket.
        compression: from how many bytes on messages are compressed; None: never.
        inspection: answers operators.
    """

    site: Site
    origins: Origins
    limits: TransportLimits
    keep_alive: KeepAlive
    compression: int | None = None
    inspection: Inspection | None = None


class Opened(NamedTuple):
    """An open WebSocket.

    Attributes:
        reader: reads what the peer sends.
        data: what came behind the request.
        window_bits: for compressed messages to the peer; 0: it takes none.
    """

    reader: Reader
    data: bytes
    window_bits: int


async def handshake(
    sock: Stream,
    entrance: Entrance,
    address: str,
    scope: anyio.CancelScope,
    message_bytes: Callable[[], int],
) -> Opened | None:
    """Answer one HTTP request.

    Args:
        sock: of the peer.
        entrance: what holds for everybody.
        address: where it comes from, as `admission.group` returns it.
        scope: the one we run in; who is too slow is cancelled by its deadline, which is gone after an upgrade.
        message_bytes: tells the longest message of a peer, at any time, to bound inflation.

    Returns:
        The WebSocket after an upgrade; otherwise None: the peer has its answer.

    Raises:
        OSError: the connection broke.
    """
    scope.deadline = anyio.current_time() + entrance.limits.head_seconds
    data = await receive(sock)
    head = read_head(data, entrance.limits.head_bytes)
    if head is not None and asks_for_websocket(head.headers):
        with contextlib.suppress(
            UpgradeError
        ):  # found before anything is sent; h11 helps to say it
            return await _open(sock, head, entrance, scope, message_bytes)
    http = h11.Connection(h11.SERVER, max_incomplete_event_size=entrance.limits.head_bytes)
    event: object = None
    refusal: Response | None = None
    try:
        received = len(data)
        http.receive_data(data)
        while (event := http.next_event()) is h11.NEED_DATA:
            data = await receive(sock)
            received += len(data)
            http.receive_data(data)
        rest = http.trailing_data[0]
        if received - len(rest) > entrance.limits.head_bytes:
            raise UpgradeError("the head of the request is too long", 431)
        if isinstance(event, h11.Request) and asks_for_websocket(event.headers):
            check_request(event)
            head = Head(list(event.headers), rest)
            return await _open(sock, head, entrance, scope, message_bytes)
    except h11.RemoteProtocolError as error:
        refusal = _refusal(error.error_status_hint, str(error))
    except UpgradeError as error:
        refusal = _refusal(error.status, str(error))
    scope.deadline = anyio.current_time() + ANSWER_SECONDS
    if refusal is not None:
        await _respond(sock, http, refusal)
    elif isinstance(event, h11.Request):
        await _answer(sock, http, event, entrance, address)
    return None  # also for who left before it asked


async def _answer(
    sock: Stream, http: h11.Connection, request: h11.Request, entrance: Entrance, address: str
) -> None:
    headers = list(request.headers)
    method, target = request.method.decode("ascii"), request.target.decode("ascii")
    response: Response | None = None
    if entrance.inspection is not None:
        response = await entrance.inspection.respond(method, target, headers, address)
    await _respond(sock, http, response or entrance.site.respond(method, target, headers))


async def _open(
    sock: Stream,
    head: Head,
    entrance: Entrance,
    scope: anyio.CancelScope,
    message_bytes: Callable[[], int],
) -> Opened:
    if (reason := entrance.origins.refusal(head.headers)) is not None:
        raise UpgradeError(reason, 403)
    deflate = Deflate(message_bytes)
    extensions: list[Extension] = [] if entrance.compression is None else [deflate]
    await send_all(sock, accept(head.headers, extensions))
    scope.deadline = math.inf
    reader = FrameReader(extensions if deflate.enabled() else ())
    return Opened(reader, head.rest, deflate.window_bits)


def _refusal(status: int, reason: str) -> Response:
    body = f"{reason}\n".encode()
    headers = [(b"Content-Type", b"text/plain"), (b"Content-Length", b"%d" % len(body))]
    if status == 426:
        headers += [(b"Sec-WebSocket-Version", b"13")]
    return Response(status, headers, body)


async def _respond(sock: Stream, http: h11.Connection, response: Response) -> None:
    if http.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
        return
    headers = [*response.headers, (b"connection", b"close")]
    data = http.send(h11.Response(status_code=response.status, headers=headers)) or b""
    for event in (h11.Data(data=response.body), h11.EndOfMessage()):
        data += http.send(event) or b""
    await send_all(sock, data)
    await finish(sock)
