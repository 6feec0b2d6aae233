"""The application's requests: each is settled exactly once.

The rules:

1. A request waits while there is no connection, while a token waits to be accepted, or while `WINDOW` requests are
   unanswered; requests are sent in the order they were made.
2. A waiting request survives the loss of the connection and may be withdrawn. One that was sent does not survive: its
   outcome is unknown, and sending it again could apply it twice.
3. The exception is a connection that the server closes because a message is too long: one of the unanswered requests
   was, hence the longest was, and it was not accepted.
4. An update with patches is sent once the server has said that it knows them; those behind it wait with it. Other
   servers would acknowledge it and leave them out, so to them it is not sent.
5. A reply to a request for a part of a collection names places. One without is from a server that knows no filters, and
   has sent all that there is.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from sharedstate_core.errors import RequestError, SharedStateError
from sharedstate_core.storage import Cursor

from . import encoding, messages
from .bounds import UNKNOWN, Bounds, message_fault
from .effects import ClientEffect, SendText, Settled

WINDOW: Final = 100
"""Maximum number of unanswered requests: the server has a limit too, and refuses what exceeds it."""

RESERVED: Final = 4
"""How many unanswered requests of the server's limit are left for the client's own."""

MAX_QUEUE: Final = 1_000
MAX_QUEUE_BYTES: Final = 16 * 1024 * 1024
"""Maximum number and bytes of requests that wait for a connection: a program must not grow while offline."""


class ConnectionLostError(SharedStateError):
    """The connection was lost before the answer came: whether the request took effect is unknown."""

    code: str = "connection_lost"

    def __init__(self, reason: str = "") -> None:
        because = f" ({reason})" if reason else ""
        super().__init__(f"connection lost; the outcome is unknown{because}")


class ClosedError(SharedStateError):
    """The client was closed; the request was never sent."""

    code: str = "closed"

    def __init__(self) -> None:
        super().__init__("the client is closed")


class ServerRefusedError(RequestError):
    """The server refused a request.

    A level 1 server gives no code: then it is `failed`, or `refused` if it left a path out of the subscriptions.

    Attributes:
        reason, place, rule, retry_after, ids: as the server says; None without.
        details: the other members of the reply's `error`, these included.
        cursor: with `conflict`, the collection's current state.
    """

    def __init__(
        self,
        error: Mapping[str, Any],
        message: str,
        cursor: Cursor | None = None,
        *,
        otherwise: Literal["failed", "refused"] = "failed",
    ) -> None:
        code = error.get("code")
        known: Any = code if isinstance(code, str) else otherwise
        said = error.get("message")
        super().__init__(
            known,
            said if isinstance(said, str) else message,
            _text(error, "reason"),
            place=_text(error, "place"),
            rule=_text(error, "rule"),
            retry_after=_seconds(error, "retry_after"),
            ids=_texts(error, "ids"),
        )
        self.cursor = cursor
        self.details = {
            key: value for key, value in error.items() if key not in {"code", "message"}
        }


def _text(members: Mapping[str, Any], name: str) -> Any:
    """Return a member that is a text; None for anything else."""
    value = members.get(name)
    return value if isinstance(value, str) else None


def _texts(members: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    """Return a member that is a list of texts; None for anything else."""
    value = members.get(name)
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        return None
    return tuple(value)


def _seconds(members: Mapping[str, Any], name: str) -> float | None:
    """Return a member that is a number; None for anything else."""
    value = members.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def knows_no_filters() -> ServerRefusedError:
    """Return why a server is not asked for a part of a collection: it would send all of it."""
    return ServerRefusedError({}, "the server knows no filters")


def knows_no_patches() -> ServerRefusedError:
    """Return why a server is not sent patches: it would acknowledge the update and leave them out."""
    return ServerRefusedError({}, "the server knows no patches")


class _Request(NamedTuple):
    """A request.

    Attributes:
        message: as it is sent.
        is_filtered: whether it asks for a part of a collection.
        has_patches: whether it is for servers only that know patches.
        tick: after how many ticks it was sent.
    """

    message: bytes
    is_filtered: bool
    has_patches: bool
    tick: int = 0


class Requests:
    """The requests that wait or are unanswered."""

    def __init__(self, max_queue: int) -> None:
        self._max_queue = max_queue
        self._connected = False
        self._last_ticket = 0
        self._ticks = 0
        self._sent: dict[int, _Request] = {}
        self._waiting: OrderedDict[int, _Request] = OrderedDict()
        self._waiting_bytes = 0
        self._held = False
        self._window = WINDOW
        self._bounds = UNKNOWN
        self._takes_patches: bool | None = None

    def __len__(self) -> int:
        return len(self._sent) + len(self._waiting)

    @property
    def unanswered(self) -> int:
        """Number of requests sent on this connection that have no answer yet."""
        return len(self._sent)

    def issue(self) -> int:
        """Return a new ticket."""
        self._last_ticket += 1
        return self._last_ticket

    def add(
        self,
        cmd: Literal["GET", "PUT"],
        path: str,
        arg: bytes,
        out: list[ClientEffect],
        *,
        is_filtered: bool = False,
        has_patches: bool = False,
    ) -> int:
        """Make a request; its ticket is its tunnel.

        Args:
            cmd: as on the wire.
            path: what is asked for.
            arg: JSON text.
            out: receives the effects.
            is_filtered: whether it asks for a part of a collection.
            has_patches: whether it is for servers only that know patches.
        """
        ticket = self.issue()
        message = encoding.encode_request(cmd, path, arg, ticket)
        if (fault := message_fault(len(message), self._bounds)) is not None:
            out.append(Settled(ticket, error=fault))
            return ticket
        full = (
            len(self._waiting) >= self._max_queue
            or self._waiting_bytes + len(message) > MAX_QUEUE_BYTES
        )
        if full and not (self._connected and not self._held):
            waits_for = "not signed in" if self._connected else "not connected"
            error = RequestError("too_many", f"{waits_for}, and the queue is full")
            out.append(Settled(ticket, error=error))
        else:
            self._waiting[ticket] = _Request(message, is_filtered, has_patches)
            self._waiting_bytes += len(message)
            self._fill(out)
        return ticket

    def withdraw(self, ticket: int) -> bool:
        """Drop a waiting request, and return whether it was waiting."""
        request = self._waiting.pop(ticket, None)
        if request is None:
            return False
        self._waiting_bytes -= len(request.message)
        return True

    def issued(self, ticket: int) -> bool:
        """Return whether a request with this ticket was made and is not waiting; a waiting one cannot be answered."""
        return 0 < ticket <= self._last_ticket and ticket not in self._waiting

    def connection_opened(self, out: list[ClientEffect]) -> None:
        """Send the waiting requests."""
        self._connected = True
        self._fill(out)

    def adjust(self, bounds: Bounds, *, held: bool, takes_patches: bool | None) -> None:
        """Keep to what the server takes.

        Args:
            bounds: what it has said about that.
            held: whether nothing is sent until it knows whose the connection is.
            takes_patches: whether it knows patches; None as long as it may yet say so.
        """
        self._bounds, self._held, self._takes_patches = bounds, held, takes_patches
        most = WINDOW if bounds.unanswered is None else min(WINDOW, bounds.unanswered - RESERVED)
        self._window = max(1, most)

    def go_on(self, out: list[ClientEffect]) -> None:
        """Send what waits, as far as may be."""
        self._fill(out)

    def connection_lost(
        self, out: list[ClientEffect], reason: str = "", *, too_big: bool = False
    ) -> None:
        """Settle the requests that were sent: their outcome is unknown, except for one that was too long."""
        self._connected = False
        lost, self._sent = self._sent, {}
        longest = None
        if too_big:
            longest = max(lost, key=lambda ticket: len(lost[ticket].message), default=None)
        for ticket in lost:
            error: SharedStateError = ConnectionLostError(reason)
            if ticket == longest:
                error = RequestError("too_large", reason)
            out.append(Settled(ticket, error=error))

    def tick(self, limit: int) -> bool:
        """Record that a tick has passed; return whether a request has been unanswered for `limit` whole ticks."""
        oldest = next(iter(self._sent.values()), None)
        is_late = oldest is not None and self._ticks - oldest.tick >= limit
        self._ticks += 1
        return is_late

    def refuse(self, error: SharedStateError, out: list[ClientEffect]) -> None:
        """Settle the waiting requests, which are never sent."""
        waiting, self._waiting = self._waiting, OrderedDict()
        self._waiting_bytes = 0
        out.extend(Settled(ticket, error=error) for ticket in waiting)

    def receive(self, reply: messages.Reply, out: list[ClientEffect]) -> None:
        """Settle the request that a reply answers; ignore a reply to one that is already settled."""
        ticket = reply.tunnel
        if not isinstance(ticket, int) or ticket not in self._sent:
            return
        request = self._sent.pop(ticket)
        if reply.ok and request.is_filtered and reply.at is None:
            out.append(Settled(ticket, error=knows_no_filters()))
        elif reply.ok:
            data = bytes(reply.data)
            out.append(Settled(ticket, data, reply.cursor, at=reply.at, more=reply.more))
        else:
            error = ServerRefusedError(reply.error, messages.reason(reply), reply.cursor)
            out.append(Settled(ticket, b"", reply.cursor, error))
        self._fill(out)

    def _fill(self, out: list[ClientEffect]) -> None:
        if self._held:
            return
        while self._connected and self._waiting and len(self._sent) < self._window:
            ticket, request = next(iter(self._waiting.items()))
            if request.has_patches and self._takes_patches is None:
                break
            del self._waiting[ticket]
            self._waiting_bytes -= len(request.message)
            if request.has_patches and not self._takes_patches:
                out.append(Settled(ticket, error=knows_no_patches()))
                continue
            self._sent[ticket] = request._replace(tick=self._ticks)
            out.append(SendText(request.message))
