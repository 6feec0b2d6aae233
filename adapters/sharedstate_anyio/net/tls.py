"""TLS without a task or a thread: OpenSSL works on memory buffers, and we keep the socket.

A `TlsSocket` is used like the non-blocking socket inside it, so that a connection uses the same code with and without
TLS. The rules:

1. `send` counts bytes as sent once the socket has accepted their ciphertext. Bytes encrypted but not accepted are the
   first ones of the next `send`, which, as with `SSL_write`, must begin with the same bytes.
2. At most `CHUNK_BYTES` are encrypted ahead of the socket, so a peer that does not read costs no more than that.
3. An end without a TLS close_notify is treated like any other: WebSocket has its own close.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sharedstate_anyio.logs.events import about
from sharedstate_backends.contract import ConfigurationError

from .expiry import expires
from .sockets import receive, send_all

if TYPE_CHECKING:
    from sharedstate_anyio.config.listeners import Certificates

    from .gate import Gate

log = logging.getLogger("sharedstate")

CHUNK_BYTES: Final = 64 * 1024
"""Maximum of bytes encrypted at once."""

UNTAKEN_BYTES: Final = 64 * 1024
"""Maximum of ciphertext that TLS may produce by itself (key updates) for a peer that does not read, in bytes."""

HANDSHAKE_FIRST_BYTE: Final = 0x16
"""First byte of a TLS connection: the record type `handshake`."""

HANDSHAKE_WEIGHT: Final = 16
"""What a step of the handshake weighs at the gate, beside a message: a signature takes up to a millisecond."""


class PlainTextError(Exception):
    """The peer does not speak TLS."""


class TlsSocket:
    """A TLS connection, used like a non-blocking socket; see `secure`."""

    __slots__ = ("_incoming", "_outgoing", "_over", "_owed", "_sock", "_tls", "_untaken")

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self._sock = sock
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._untaken = memoryview(b"")
        self._owed = 0
        self._over = False

    def fileno(self) -> int:
        """Return the socket's file descriptor, to wait for it."""
        return self._sock.fileno()

    def recv(self, size: int) -> bytes:
        """Return all that has arrived in `size` bytes of ciphertext; empty at the end.

        Raises:
            BlockingIOError: nothing has arrived.
            OSError: the connection broke, or the peer breaks the rules of TLS.
        """
        if self._over:
            return self._sock.recv(size)  # what still arrives is counted but not decrypted
        try:
            return self._read(size)
        except ssl.SSLWantReadError:
            data = self._sock.recv(size)
        if not data:
            return b""
        self._incoming.write(data)
        try:
            return self._read(size)
        except ssl.SSLWantReadError:
            raise BlockingIOError from None

    def _read(self, size: int) -> bytes:
        try:
            data = self._tls.read(size)
            with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
                while more := self._tls.read(size):  # one record each
                    data += more
        except ssl.SSLZeroReturnError:
            return b""
        else:
            return data
        finally:
            if self._outgoing.pending:
                with contextlib.suppress(BlockingIOError):
                    self._flush()
                if self._outgoing.pending > UNTAKEN_BYTES:
                    raise ConnectionAbortedError("the peer does not read what TLS sends by itself")

    def send(self, data: bytes | memoryview) -> int:
        """Return the number of bytes that the socket has accepted, at least one.

        Raises:
            BlockingIOError: it has accepted none; retry with the same bytes.
            OSError: the connection broke.
        """
        self._flush()
        taken, self._owed = self._owed, 0
        while taken < len(data):
            chunk = self._tls.write(memoryview(data)[taken : taken + CHUNK_BYTES])
            try:
                self._flush()
            except BlockingIOError:
                self._owed = chunk
                if not taken:
                    raise
                break
            taken += chunk
        return taken

    def _flush(self) -> None:
        """Send all pending ciphertext.

        Raises:
            BlockingIOError: some remains.
        """
        while self._untaken or self._outgoing.pending:
            if not self._untaken:
                self._untaken = memoryview(self._outgoing.read())
            self._untaken = self._untaken[self._sock.send(self._untaken) :]

    def shutdown(self, how: int) -> None:
        """Send close_notify, as far as the socket accepts it, and shut down our direction."""
        self._over = True
        with contextlib.suppress(ssl.SSLError, BlockingIOError):
            try:
                self._tls.unwrap()
            finally:
                self._flush()
        self._sock.shutdown(how)

    def close(self) -> None:
        """Close the socket, with a close_notify if none was sent and the socket accepts it at once."""
        if not self._over:
            with contextlib.suppress(OSError):
                self.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    async def handshake(self, gate: Gate) -> None:
        """Shake hands, through the gate.

        Raises:
            PlainTextError: the peer does not speak TLS.
            OSError: the connection broke, or the handshake failed (`ssl.SSLError`); the peer has been alerted.
        """
        data = await receive(self._sock)
        if data and data[0] != HANDSHAKE_FIRST_BYTE:
            raise PlainTextError
        while data:
            await gate.enter(HANDSHAKE_WEIGHT)
            self._incoming.write(data)
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await send_all(self._sock, self._outgoing.read())
            except ssl.SSLError:
                with contextlib.suppress(BlockingIOError):
                    self._flush()
                raise
            else:
                await send_all(self._sock, self._outgoing.read())
                return
            data = await receive(self._sock)
        raise ConnectionAbortedError("the peer left in the middle of the TLS handshake")


class Tls:
    """The certificates of a listener, as loaded.

    Attributes:
        context: for new connections.
        expires: when the first of the certificates expires, in seconds since the Unix epoch; None: unknown.

    Raises:
        ConfigurationError: a file cannot be used.
    """

    def __init__(self, certificates: Certificates) -> None:
        self._certificates = certificates
        self._load()

    @property
    def place(self) -> str:
        """Their place in the configuration."""
        return self._certificates.place

    @property
    def asks_for_certificates(self) -> bool:
        """Whether clients must present one."""
        return self._certificates.ca is not None

    def _load(self) -> None:
        self.context = _load(self._certificates)
        self.expires = expires(_text(self._certificates.cert, f"{self.place}.cert"))

    def reload(self) -> None:
        """Reload the files, for new connections; on failure log it and keep the old ones."""
        try:
            self._load()
        except ConfigurationError as error:
            text = "certificates not reloaded, the old ones stay: %s"
            log.error(text, error, extra=about("certificates_failed"))  # noqa: TRY400
        else:
            text = "certificates reloaded from %s"
            log.info(text, self._certificates.cert, extra=about("certificates_reloaded"))


def _load(files: Certificates) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    cert, key = f"{files.place}.cert", f"{files.place}.key"
    if "-----BEGIN CERTIFICATE-----" not in _text(files.cert, cert):
        raise ConfigurationError(cert, "holds no certificate in PEM; name the full chain's file")
    secret = _text(files.key, key)
    if "PRIVATE KEY-----" not in secret:
        raise ConfigurationError(key, "holds no private key in PEM")
    try:
        context.load_cert_chain(files.cert, files.key, password=_refuse_password)
    except ssl.SSLError as error:
        problem = f"does not match the key, or one of them is damaged ({error.reason or error})"
        raise ConfigurationError(cert, problem) from None
    except _EncryptedError:
        problem = "is encrypted; decrypt it: a server cannot ask for its password"
        raise ConfigurationError(key, problem) from None
    if files.ca is not None:
        ca = f"{files.place}.ca"
        _text(files.ca, ca)
        try:
            context.load_verify_locations(files.ca)
        except ssl.SSLError:
            raise ConfigurationError(ca, "holds no certificate in PEM that can be used") from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class _EncryptedError(Exception):
    pass


def _refuse_password() -> str:
    raise _EncryptedError


def _text(name: str, place: str) -> str:
    try:
        return Path(name).read_text("latin-1")
    except OSError as error:
        problem = f"cannot be read: {error.strerror or type(error).__name__}; check {name!r}"
        raise ConfigurationError(place, problem) from None
