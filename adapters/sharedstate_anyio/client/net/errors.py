"""Why a connection could not be made, or was lost."""

from __future__ import annotations

import os
import socket
import ssl
from typing import Final

from sharedstate_core import SharedStateError


class ConnectError(SharedStateError):
    """A connection could not be made.

    Attributes:
        status: HTTP status of the answer, if there was one instead of a WebSocket.
        close_code: the code with which the server sent the client away, if it did: 4400 to 4499.
        fatal: whether a retry is pointless: the server wants other credentials (401, 403), or sent the client away.
    """

    code: str = "connect_failed"

    def __init__(
        self, message: str, status: int | None = None, *, close_code: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.close_code = close_code
        self.fatal = status in {401, 403} or close_code is not None


_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNEXPECTED_EOF_WHILE_READING"})


def reason_of(error: BaseException) -> str:
    """Return a few words on why a connection failed."""
    cause = error.__cause__
    if isinstance(cause, BaseException) and isinstance(error, OSError) and error.errno is None:
        return reason_of(cause)  # anyio sums up the attempts of several addresses
    if isinstance(error, BaseExceptionGroup):
        return reason_of(error.exceptions[0])
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        reason = error.reason or str(error)
        if "CERTIFICATE_REQUIRED" in reason:
            return "the server asks for a client's certificate"
        return f"{'no TLS here' if reason in _NO_TLS else 'TLS failed'} ({reason})"
    if isinstance(error, socket.gaierror):
        return "no such host"
    if isinstance(error, OSError):
        return (os.strerror(error.errno) if error.errno else str(error)).lower()
    return "the connection was closed"
