"""Tokens made by hand, right and wrong ones, and who signs them."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from jwt.algorithms import get_default_algorithms

if TYPE_CHECKING:
    from collections.abc import Callable

ALGORITHMS: Final[dict[str, Any]] = get_default_algorithms()
SECRET: Final = "a secret of the tests, long enough to sign with"

made: Final[list[str]] = []
"""All tokens, so that a test can look for them where they must not be."""


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(header: object, payload: object, sign: Callable[[bytes], bytes]) -> str:
    """Put a token together; a head or a content in bytes is taken as it is."""
    parts = [
        base64url(part if isinstance(part, bytes) else json.dumps(part).encode())
        for part in (header, payload)
    ]
    signed = ".".join(parts)
    made.append(f"{signed}.{base64url(sign(signed.encode()))}")
    return made[-1]


def claims(**more: object) -> dict[str, object]:
    """Return claims that hold; `...` leaves one out."""
    found = {"sub": "ann", "exp": int(time.time()) + 600, "aud": "sharedstate", **more}
    return {name: claim for name, claim in found.items() if claim is not ...}


class Signer:
    """Somebody with a private key, or a secret.

    Attributes:
        kid: name of the key; None: it has none.
    """

    def __init__(self, algorithm: str, kid: str | None = None, secret: str = SECRET) -> None:
        self.algorithm = algorithm
        self.kid = kid
        match algorithm[:2]:
            case "HS":
                self.private: Any = secret.encode()
            case "RS" | "PS":
                self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            case "ES":
                curves: dict[str, Callable[[], ec.EllipticCurve]] = {
                    "ES256": ec.SECP256R1,
                    "ES384": ec.SECP384R1,
                    "ES512": ec.SECP521R1,
                }
                self.private = ec.generate_private_key(curves[algorithm]())
            case _:
                self.private = ed25519.Ed25519PrivateKey.generate()

    def sign(self, signed: bytes) -> bytes:
        signature: bytes = ALGORITHMS[self.algorithm].sign(signed, self.private)
        return signature

    def token(self, payload: object = None, **header: object) -> str:
        """Return a token, by default a good one; members of its head may be replaced, or left out by `...`."""
        members = {"alg": self.algorithm, "typ": "JWT", "kid": self.kid or ..., **header}
        head = {name: value for name, value in members.items() if value is not ...}
        return token(head, claims() if payload is None else payload, self.sign)

    @property
    def pem(self) -> str:
        """The public key."""
        public = self.private.public_key()
        found: bytes = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return found.decode()

    @property
    def private_pem(self) -> str:
        """The private key."""
        form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        found: bytes = self.private.private_bytes(*form)
        return found.decode()

    def jwk(self, **more: object) -> dict[str, object]:
        """Return the public key as an entry of a key set."""
        found = ALGORITHMS[self.algorithm].to_jwk(self.private.public_key(), as_dict=True)
        entry = {**found, "use": "sig", "kid": self.kid, **more}
        return {name: value for name, value in entry.items() if value is not None}


def key_set(*entries: Signer | dict[str, object]) -> bytes:
    """Return a set of public keys."""
    keys = [each.jwk() if isinstance(each, Signer) else each for each in entries]
    return json.dumps({"keys": keys}).encode()
