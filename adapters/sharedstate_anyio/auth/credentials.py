"""What a connection shows, of what it has sent: the first of several places where a token may be.

1. The message `PUT /session`; 2. `Authorization: Bearer`; 3. a cookie; 4. the header of a proxy, which names a user
without a token; 5. the query. All but the first two only if the configuration names them.

The header counts at a trusted listener only: anybody can send one. Of the header that names a user, and of the token in
the query, there may be one: of two, a proxy may have seen the other. Of cookies with one name browsers send that of the
more special path first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from sharedstate_anyio.config.auth import MAX_ID

from .identity import AuthRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sharedstate_anyio.config.auth import AuthConfig

MAX_MEMBERS: Final = 100
"""Maximum number of members of a query in which a token is looked for."""


def credentials(
    auth: AuthConfig,
    headers: Iterable[tuple[bytes, bytes]],
    target: str = "/",
    *,
    peer: str = "",
    trusted: bool = False,
) -> AuthRequest:
    """Return what a handshake shows; the token of a message is put into it by `with_token`.

    Args:
        auth: what counts.
        headers: of the handshake, names in lower case.
        target: what the handshake asks for, with its query.
        peer: address of the peer.
        trusted: whether it has passed a proxy that signs people in; see `AuthConfig.trusts`.
    """
    joined: dict[str, str] = {}
    proxied: list[str] = []
    for raw, value in headers:
        name = raw.decode("latin-1")
        if name == auth.header:
            proxied.append(_decoded(value))
            continue
        text = value.decode("latin-1")
        glue = "; " if name == "cookie" else ", "
        joined[name] = f"{joined[name]}{glue}{text}" if name in joined else text
    if trusted and auth.header is not None and proxied:
        joined[auth.header] = ", ".join(proxied)
    cookies = _cookies(joined.get("cookie", ""))
    token = user = fault = None
    try:
        token = _bearer(joined) or (cookies.get(auth.cookie) if auth.cookie else None) or None
        if token is None and trusted:
            user = _user(proxied)
        if token is None and user is None and auth.query is not None:
            token = _member(target, auth.query) or None
    except _AmbiguousError as error:
        fault = str(error)
    origin = joined.get("origin")
    if auth.python is None:
        joined, cookies = {}, {}
    asked = auth.python is not None
    return AuthRequest(token, joined, cookies, peer, origin, user, fault, asked)


class _AmbiguousError(Exception):
    """A handshake says two things; the text holds nothing of them."""


def _bearer(headers: dict[str, str]) -> str | None:
    """Return the token of `Authorization`; other schemes are a proxy's business."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    if "," in token:
        raise _AmbiguousError("there are two headers Authorization")
    return token.strip() or None


def _user(proxied: list[str]) -> str | None:
    """Return whom a proxy names; nobody if it says nothing."""
    if len(proxied) > 1:
        problem = (
            "there are two headers that name a user: the proxy has to replace what clients send"
        )
        raise _AmbiguousError(problem)
    name = proxied[0] if proxied else ""
    if len(name) > MAX_ID:
        raise _AmbiguousError(f"the id of a user has at most {MAX_ID} characters")
    return name or None


def _member(target: str, name: str) -> str | None:
    _, _, query = target.partition("?")
    try:
        members = parse_qsl(query.partition("#")[0], max_num_fields=MAX_MEMBERS)
    except ValueError:
        raise _AmbiguousError("the query has too many members") from None
    found = [value for key, value in members if key == name]
    if len(found) > 1:
        raise _AmbiguousError("there are two tokens in the query")
    return found[0] if found else None


def _cookies(header: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in header.split(";"):
        name, is_pair, value = pair.strip().partition("=")
        if is_pair and name:
            found.setdefault(name, value.removeprefix('"').removesuffix('"'))
    return found


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
