"""The tunnels of the client's requests, by which it recognises the replies.

The application's requests have numbers, their tickets; the client's own, for subscriptions and its session, have texts.
"""

from typing import Final

from . import messages

_SUBSCRIBE: Final = "subs"
_SESSION: Final = "session"

_DIGITS: Final = 20
"""Maximum number of digits in a request's number."""

_SHOWN: Final = 100
"""Maximum characters quoted from a server in the description of a fault."""


def subscribing(number: int) -> str:
    """Return the tunnel of the request for subscriptions with this number."""
    return f"{_SUBSCRIBE}{number}"


def signing_in(number: int) -> str:
    """Return the tunnel of the request for a session with this number."""
    return f"{_SESSION}{number}"


def is_own(tunnel: str, asked: int) -> bool:
    """Return whether the client has sent this tunnel, having made `asked` requests for subscriptions."""
    return _is_issued(tunnel, _SUBSCRIBE, asked)


def is_own_session(tunnel: str, asked: int) -> bool:
    """Return whether the client has sent this tunnel, having made `asked` requests for its session."""
    return _is_issued(tunnel, _SESSION, asked)


def _is_issued(tunnel: str, prefix: str, asked: int) -> bool:
    number = tunnel.removeprefix(prefix)
    if number == tunnel or not number.isdecimal() or len(number) > _DIGITS:
        return False
    return 0 < int(number) <= asked


def describe(reply: messages.Reply) -> str:
    """Describe a reply that answers no request, which is how a server reports a message it could not read."""
    tunnel = "none" if reply.tunnel is None else repr(reply.tunnel)[:_SHOWN]
    said = "" if reply.ok else f", {messages.reason(reply)[:_SHOWN]}"
    return f"tunnel {tunnel}{said}"
