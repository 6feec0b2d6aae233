"""The tunnels of the client's requests, by which it recognises the replies.

Numbers are the tunnels of the application's requests, its tickets; texts those of the client's own, for subscriptions.
"""

from typing import Final

from . import messages

UNSUBSCRIBE: Final = "unsubscribe"
_SUBSCRIBE: Final = "subs"

_DIGITS: Final = 20
"""Maximum of digits in a number that counts requests."""

_SHOWN: Final = 100
"""Characters of a server's words in the description of a fault."""


def subscribing(number: int) -> str:
    """Return the tunnel of the request for subscriptions that has this number."""
    return f"{_SUBSCRIBE}{number}"


def is_own(tunnel: str, asked: int) -> bool:
    """Return whether the client has sent this tunnel, having asked so often for subscriptions."""
    number = tunnel.removeprefix(_SUBSCRIBE)
    if number == tunnel or not number.isdecimal() or len(number) > _DIGITS:
        return tunnel == UNSUBSCRIBE
    return 0 < int(number) <= asked


def describe(reply: messages.Reply) -> str:
    """Return what a reply without a request says: so a server reports what it could not read."""
    tunnel = "none" if reply.tunnel is None else repr(reply.tunnel)[:_SHOWN]
    said = "" if reply.ok else f", {messages.reason(reply)[:_SHOWN]}"
    return f"tunnel {tunnel}{said}"
