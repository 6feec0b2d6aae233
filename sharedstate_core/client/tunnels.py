"""The tunnels of the client's requests, by which it recognises the replies.

The application's requests have numbers, their tickets; the client's own requests, for subscriptions, have texts.
"""

from typing import Final

from . import messages

_SUBSCRIBE: Final = "subs"

_DIGITS: Final = 20
"""Maximum number of digits in a request's number."""

_SHOWN: Final = 100
"""Maximum characters quoted from a server in the description of a fault."""


def subscribing(number: int) -> str:
    """Return the tunnel of the request for subscriptions with this number."""
    return f"{_SUBSCRIBE}{number}"


def is_own(tunnel: str, asked: int) -> bool:
    """Return whether the client has sent this tunnel, having made `asked` requests for subscriptions."""
    number = tunnel.removeprefix(_SUBSCRIBE)
    if number == tunnel or not number.isdecimal() or len(number) > _DIGITS:
        return False
    return 0 < int(number) <= asked


def describe(reply: messages.Reply) -> str:
    """Describe a reply that answers no request, which is how a server reports a message it could not read."""
    tunnel = "none" if reply.tunnel is None else repr(reply.tunnel)[:_SHOWN]
    said = "" if reply.ok else f", {messages.reason(reply)[:_SHOWN]}"
    return f"tunnel {tunnel}{said}"
