"""The client's requests for subscriptions, and their answers.

The rules:

1. Until the server has shown that it speaks level 2, every request names all subscriptions, as level 1 requires; after
   that, requests name only what changes, and cost the same however many there are.
2. An answer is about what its request named, whatever else it lists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from . import encoding, messages, tunnels
from .effects import SendText
from .requests import ServerRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .effects import ClientEffect
    from .subscription import Subscription
    from .views import Key


class _Request:
    """A request for subscriptions that has no answer yet."""

    __slots__ = ("age", "named")

    def __init__(self, named: list[Subscription]) -> None:
        self.named = named  # those that the answer tells of
        self.age = 0  # ticks since it was sent


class SubsRequests:
    """Those of this connection that have no answer.

    Attributes:
        level: the protocol level that the server has shown; None before.
    """

    def __init__(self) -> None:
        self.level: Literal[1, 2] | None = None
        self._asked = 0
        self._unanswered: dict[str, _Request] = {}  # by tunnel

    def __len__(self) -> int:
        return len(self._unanswered)

    def connection_lost(self) -> None:
        """Record that no answer will come."""
        self._unanswered.clear()

    def tick(self, limit: int) -> bool:
        """Record that a tick has passed; return whether a request has been unanswered for `limit` whole ticks."""
        is_late = any(each.age >= limit for each in self._unanswered.values())
        for each in self._unanswered.values():
            each.age += 1
        return is_late

    def issued(self, tunnel: str) -> bool:
        """Return whether a request has ever carried this tunnel, on any connection."""
        return tunnels.is_own(tunnel, self._asked)

    def insert(
        self, named: list[Subscription], in_force: Iterable[Subscription], out: list[ClientEffect]
    ) -> None:
        """Ask for subscriptions; `in_force` are all that there are to be then."""
        self._send(named, None, in_force, out)

    def remove(
        self, keys: list[Key], in_force: Iterable[Subscription], out: list[ClientEffect]
    ) -> None:
        """Ask for the end of subscriptions; `in_force` are all that there are to be then."""
        self._send([], keys, in_force, out)

    def _send(
        self,
        named: list[Subscription],
        removed: list[Key] | None,
        in_force: Iterable[Subscription],
        out: list[ClientEffect],
    ) -> None:
        self._asked += 1
        tunnel = tunnels.subscribing(self._asked)
        for each in named:
            each.tunnel = tunnel
        whole = self.level != 2
        if whole:
            named = list(in_force)
        if whole or removed is None:
            arg = encoding.encode_subscribe(named, whole=whole)
        else:
            arg = encoding.encode_unsubscribe(removed)
        self._unanswered[tunnel] = _Request(named)
        out.append(SendText(encoding.encode_request("PUT", "/subs", arg, tunnel)))

    def answered(self, reply: messages.Reply) -> list[tuple[Subscription, ServerRefusedError]]:
        """Note which subscriptions a reply accepts; return those that it refuses, and why."""
        accepted = messages.accepted_keys(reply.data)
        request = self._unanswered.pop(str(reply.tunnel), None)
        refused = []
        for subscription in request.named if request else ():
            asked = subscription.state == "asked" and subscription.tunnel == reply.tunnel
            if reply.ok and (accepted is None or subscription.key in accepted):
                if asked:
                    subscription.state = "subscribed"
            elif asked or (reply.ok and subscription.state == "subscribed"):
                refused.append((subscription, _refusal(subscription, reply)))
        return refused


def _refusal(subscription: Subscription, reply: messages.Reply) -> ServerRefusedError:
    error: Any = reply.errors.get(subscription.key) if reply.ok else reply.error
    return ServerRefusedError(
        error if isinstance(error, dict) else {},
        f"{subscription.key.path}: not subscribed",
        otherwise="refused" if reply.ok else "failed",
    )
