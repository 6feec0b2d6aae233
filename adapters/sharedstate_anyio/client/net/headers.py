"""Headers that a program adds to the handshake."""

from typing import Final

import h11

from sharedstate_core.arguments import expect

_OWN: Final = {
    *("host", "upgrade", "connection", "content-length", "transfer-encoding"),
    *("sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions"),
}
"""Headers that the handshake sends itself, or must not send."""


def encoded(name: str, value: str) -> tuple[bytes, bytes]:
    """Return a header as it is sent. No message repeats the value, which may be a secret.

    Raises:
        TypeError: the name or the value is not text.
        ValueError: HTTP does not allow the header, or the handshake sends one of that name itself.
    """
    expect("headers: a name", name, str)
    place = f"headers[{name!r}]"
    expect(place, value, str)
    if name.lower() in _OWN:
        raise ValueError(f"{place}: the handshake has a {name} of its own")
    try:
        name_bytes = name.encode("ascii")
        h11.Request(method="GET", target="/", headers=[(b"Host", b""), (name_bytes, b"")])
    except (h11.LocalProtocolError, UnicodeEncodeError):
        problem = "expected a name of letters, digits and hyphens, such as X-Token"
        raise ValueError(f"{place}: {problem}") from None
    try:
        value_bytes = value.encode("latin-1")
        h11.Request(method="GET", target="/", headers=[(b"Host", b""), (name_bytes, value_bytes)])
    except (h11.LocalProtocolError, UnicodeEncodeError):
        problem = "the value holds what no header can: a line's end, a control character, "
        problem += "a space at an end, or what is not in Latin-1"
        raise ValueError(f"{place}: {problem}") from None
    return name_bytes, value_bytes
