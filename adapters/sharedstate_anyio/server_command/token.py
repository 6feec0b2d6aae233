"""The command `sharedstate-anyio token`: a token for somebody, signed with the secret of a configuration.

The token is held against that configuration before it is printed: what the server would refuse is not handed out.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NoReturn

import msgspec

from sharedstate_anyio.auth.identity import TOKEN_BYTES, Unauthenticated
from sharedstate_anyio.auth.token_parts import take_apart
from sharedstate_anyio.config.config import load_config
from sharedstate_anyio.logs.formatting import printable
from sharedstate_backends import ConfigurationError

from .concealing import conceal
from .options import token_parser
from .refusing import refuse
from .verify_token import verify_token

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_anyio.config.jwt import JwtConfig
    from sharedstate_anyio.logs.console import Console

PLACE: Final = "auth.jwt"
RESERVED: Final = ("id", "sub", "iss", "aud", "exp", "nbf", "iat", "jti")
"""Claims that the command sets itself, or that are no claims about a user."""


def token_command(console: Console, arguments: Sequence[str]) -> NoReturn:
    """Run `sharedstate-anyio token`."""
    parser = token_parser()
    options = parser.parse_args(arguments)
    if options.user is None and options.verify is None:
        parser.error("one of the arguments --user --verify is required")
    try:
        config = load_config(options.config)
        conceal(console, config)
        if options.verify is not None:
            status, lines = verify_token(config.auth, options.verify)
            for line in lines:
                print(printable(line))
            raise SystemExit(status)
        if config.auth is None or config.auth.jwt is None:
            problem = 'is missing: there is no secret to sign with; add "jwt": {"secret": ...}'
            raise ConfigurationError(PLACE, problem)
        rules = config.auth.jwt
        token = make_token(rules, options.user, _claims(options.claim, rules), options.seconds)
    except ConfigurationError as error:
        refuse(console, error)
    print(token)
    raise SystemExit(0)


def make_token(rules: JwtConfig, user: str, claims: dict[str, Any], seconds: float) -> str:
    """Return a token that is valid from now on.

    Args:
        rules: of the configuration; it has a secret.
        user: the id.
        claims: what else the token says of the user.
        seconds: how long it is valid.

    Raises:
        ConfigurationError: it cannot be signed, or the server would refuse it.
    """
    try:
        from sharedstate_anyio.auth.jwt_tokens import (  # noqa: PLC0415  (needs PyJWT)
            JwtVerifier,
            load_keys,
            sign,
        )
    except ImportError:
        raise ConfigurationError(PLACE, "needs PyJWT: pip install 'sharedstate[jwt]'") from None
    now = time.time()
    content = {**claims, rules.user: user, "iat": int(now), "exp": int(now + seconds)}
    content |= {"iss": rules.issuer[0]} if rules.issuer else {}
    content |= {"aud": rules.audience[0]} if rules.audience else {}
    token = sign(rules, content, PLACE)
    if len(token) > TOKEN_BYTES:
        problem = f"the token has {len(token):,} bytes, of which {TOKEN_BYTES:,} are allowed"
        raise ConfigurationError("--claim", problem)
    try:
        keys = load_keys(rules, PLACE)
        JwtVerifier(rules, keys, None).identity(take_apart(token), keys[0], now)
    except Unauthenticated as error:
        raise ConfigurationError("--user", f"the server would refuse it: {error.text}") from None
    return token


def _claims(texts: Sequence[str], rules: JwtConfig) -> dict[str, Any]:
    """Read `name=value` of each option; a value is JSON if it can be, and else a text."""
    found: dict[str, Any] = {}
    for text in texts:
        name, is_pair, value = text.partition("=")
        if not name or not is_pair:
            raise ConfigurationError("--claim", f"expected name=value, found {text!r}")
        if name in RESERVED or name == rules.user:
            raise ConfigurationError("--claim", f"{name} is not for you to set; leave it out")
        if name in found:
            raise ConfigurationError("--claim", f"{name} is there twice; a list is {name}='[1, 2]'")
        try:
            found[name] = msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            found[name] = value
    return found
