"""Expiry of certificates, read from their files: Python's `ssl` reports it only for a peer's certificate.

X.509 (RFC 5280, section 4.1): a certificate is a sequence whose first element is a sequence of an optional version,
the serial number, the algorithm, the issuer, and the validity: two times, in DER.
"""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime
from typing import Final

SOON_DAYS: Final = 14.0
"""Days before expiry at which a warning is logged: automatic renewal should have happened by then."""

DAY_SECONDS: Final = 86400.0

_PEM: Final = re.compile(
    r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----", flags=re.ASCII
)
_VERSION, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0x17, 0x18
_LONG: Final = 0x80
"""The bit that marks a length of more than one byte."""
_CENTURY: Final = 50
"""Two-digit years below it belong to this century."""


def expires(pem: str) -> float | None:
    """Return when the first of the certificates in a PEM file expires, in seconds since the Unix epoch.

    None if there is none, or one is malformed.
    """
    try:
        ends = [_not_after(ssl.PEM_cert_to_DER_cert(text)) for text in _PEM.findall(pem)]
    except (ValueError, IndexError):
        return None
    return min(ends, default=None)


def days_left(moment: float, now: float) -> float:
    """Return the days until a moment, negative when it has passed; both in seconds since the Unix epoch."""
    return (moment - now) / DAY_SECONDS


def _not_after(certificate: bytes) -> float:
    _, to_be_signed, _ = _element(certificate, _element(certificate, 0)[1])
    tag, _, after = _element(certificate, to_be_signed)
    serial = after if tag == _VERSION else to_be_signed
    algorithm = _element(certificate, serial)[2]
    issuer = _element(certificate, algorithm)[2]
    validity = _element(certificate, issuer)[2]
    not_before = _element(certificate, validity)[1]
    tag, start, end = _element(certificate, _element(certificate, not_before)[2])
    text = certificate[start:end].decode("ascii")
    if tag == _UTC_TIME:
        text = ("20" if int(text[:2]) < _CENTURY else "19") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("expected a time as the end of the validity")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _element(data: bytes, offset: int) -> tuple[int, int, int]:
    """Return the tag of the element at an offset, and where its content begins and ends."""
    tag, length, start = data[offset], data[offset + 1], offset + 2
    if length & _LONG:
        size = length & ~_LONG
        length = int.from_bytes(data[start : start + size], "big")
        start += size
    return tag, start, start + length
