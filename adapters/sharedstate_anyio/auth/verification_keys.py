"""Keys that verify signatures, each pinned to the algorithms that it is made for.

This module and `jwt_tokens` need PyJWT; they are imported if the configuration asks for tokens of that kind.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate
from jwt.algorithms import get_default_algorithms
from jwt.exceptions import PyJWTError

from sharedstate_anyio.config.jwt import ALGORITHMS, SECRET_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

RSA_BITS: Final = 2048
"""Shorter keys can be broken."""

_IMPLEMENTED: Final[Mapping[str, Any]] = {
    name: algorithm for name, algorithm in get_default_algorithms().items() if name in ALGORITHMS
}
_CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_SECRET_BYTES: Final = {"HS256": 32, "HS384": 48, "HS512": 64}
"""Shortest secrets: as long as the hash (RFC 7518, section 3.2)."""
_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_KINDS: Final = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}
"""What reads a public key of each kind. There are no others: a secret that is published is none."""


class UnusableKeyError(ValueError):
    """A key cannot verify anything; the text says why, without the key."""


class Key:
    """One key, a `Voucher`.

    Attributes:
        digest: SHA-256 of the text that it was made of; empty for one of a key set.
        algorithms: those that it verifies: never anything else, whatever a token says.
        alive: whether it is in force; set by whoever drops it.
    """

    __slots__ = ("_prepared", "algorithms", "alive", "digest")

    def __init__(
        self,
        prepared: object,
        algorithms: Iterable[str],
        allowed: Collection[str],
        text: str = "",
    ) -> None:
        fitting = tuple(algorithms)
        self._prepared = prepared
        self.digest = hashlib.sha256(text.encode()).digest() if text else b""
        self.algorithms = frozenset(name for name in fitting if not allowed or name in allowed)
        self.alive = True
        if not self.algorithms:
            made_for = ", ".join(fitting)
            raise UnusableKeyError(f"is made for {made_for}, none of which is allowed")

    def verifies(self, algorithm: str, signed: bytes, signature: bytes) -> bool:
        """Return whether a signature is right."""
        if algorithm not in self.algorithms:
            return False
        try:
            return bool(_IMPLEMENTED[algorithm].verify(signed, self._prepared, signature))
        except (ValueError, TypeError, PyJWTError):  # what is no signature at all
            return False


def from_secret(secret: str, allowed: Collection[str]) -> Key:
    """Make a key of a text.

    Raises:
        UnusableKeyError: it is too short, or a public key, with which anybody could sign.
    """
    data = secret.encode()
    if len(secret) < SECRET_CHARACTERS:
        raise UnusableKeyError(f"has {len(secret)} characters; take at least {SECRET_CHARACTERS}")
    try:
        prepared = _IMPLEMENTED["HS256"].prepare_key(data)
    except PyJWTError:
        problem = "is a public key or a certificate, which everybody knows; name its file as key"
        raise UnusableKeyError(problem) from None
    fitting = [n for n, least in _SECRET_BYTES.items() if len(data) >= least]
    return Key(prepared, fitting, allowed, secret)


def from_pem(text: str, allowed: Collection[str]) -> Key:
    """Make a key of a public key, or of a certificate, in PEM.

    Raises:
        UnusableKeyError: it is none, or of a kind that is not supported.
    """
    if "PRIVATE KEY-----" in text:
        problem = "is a private key, which only the issuer should have"
        raise UnusableKeyError(f"{problem}: openssl pkey -in FILE -pubout prints the public one")
    try:
        if "-----BEGIN CERTIFICATE-----" in text:
            public: object = load_pem_x509_certificate(text.encode()).public_key()
        else:
            public = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise UnusableKeyError("holds no public key in PEM") from None
    return Key(public, _made_for(public), allowed, text)


def from_jwk(jwk: Mapping[str, Any], allowed: Collection[str]) -> Key:
    """Make a key of an entry of a key set; its `alg` pins it further.

    Raises:
        UnusableKeyError: it is no public key for signatures.
    """
    kind = _KINDS.get(str(jwk.get("kty")))
    if jwk.get("use", "sig") != "sig" or kind is None or "d" in jwk:
        raise UnusableKeyError("is no public key for signatures")
    try:
        public = _IMPLEMENTED[kind].from_jwk(dict(jwk))
    except (PyJWTError, ValueError, TypeError, KeyError, AttributeError, UnsupportedAlgorithm):
        raise UnusableKeyError("cannot be read") from None
    fitting = _made_for(public)
    if "alg" in jwk:
        fitting = tuple(name for name in fitting if name == jwk["alg"])
    if not fitting:
        raise UnusableKeyError("names an algorithm that it is not made for")
    return Key(public, fitting, allowed)


def _made_for(public: object) -> tuple[str, ...]:
    match public:
        case RSAPublicKey() if public.key_size >= RSA_BITS:
            return _RSA
        case EllipticCurvePublicKey() if public.curve.name in _CURVES:
            return (_CURVES[public.curve.name],)
        case Ed25519PublicKey() | Ed448PublicKey():
            return ("EdDSA",)
        case _:
            pass
    kinds = f"RSA with at least {RSA_BITS} bits, P-256, P-384, P-521, Ed25519"
    raise UnusableKeyError(f"is of a kind that is not supported; those are: {kinds}")
