"""Fetching a small document over HTTP, from an address of the configuration.

No redirection is followed, no proxy used, nothing else than 200 accepted: what comes from elsewhere is not what the
configuration names.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import h11

from sharedstate_anyio.config.jwt import is_address

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import ByteStream

MAX_BYTES: Final = 256 * 1024


class FetchError(ValueError):
    """A document cannot be fetched; the text says why, without its address."""


def loader(name: str) -> Callable[[], Awaitable[bytes]]:
    """Return what loads a document: from an address, or from a file, in a thread."""
    if is_address(name):
        context = ssl.create_default_context() if name.startswith("https:") else None
        return lambda: fetch(name, context)
    return lambda: anyio.to_thread.run_sync(_read, name, abandon_on_cancel=True)


def _read(name: str) -> bytes:
    try:
        with Path(name).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        problem = f"the file cannot be read: {error.strerror or type(error).__name__}"
        raise FetchError(problem) from None
    return _bounded(data)


async def fetch(address: str, context: ssl.SSLContext | None) -> bytes:
    """Return a document.

    Args:
        address: `https://`, or `http://` without a context.
        context: who is trusted.

    Raises:
        FetchError: it cannot be fetched.
    """
    url = urlsplit(address)
    host = url.hostname or ""
    port = url.port or (80 if context is None else 443)
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    try:
        stream = await _connect(host, port, context)
        try:
            return await _get(stream, url.netloc, target)
        finally:
            await anyio.aclose_forcefully(stream)
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", "") or error.reason or "TLS failed"
        raise FetchError(f"its server is not trusted: {reason}") from None
    except OSError as error:
        raise FetchError(f"its server cannot be reached: {error.strerror or error}") from None
    except (anyio.BrokenResourceError, anyio.EndOfStream):
        raise FetchError("its server has hung up") from None
    except h11.ProtocolError:
        raise FetchError("its server does not speak HTTP") from None


async def _connect(host: str, port: int, context: ssl.SSLContext | None) -> ByteStream:
    if context is None:
        return await anyio.connect_tcp(host, port)
    return await anyio.connect_tcp(
        host, port, ssl_context=context, tls_hostname=host, tls_standard_compatible=False
    )


async def _get(stream: ByteStream, authority: str, target: str) -> bytes:
    http = h11.Connection(h11.CLIENT)
    headers = [("Host", authority), ("Accept", "application/json"), ("Connection", "close")]
    await stream.send(http.send(h11.Request(method="GET", target=target, headers=headers)) or b"")
    await stream.send(http.send(h11.EndOfMessage()) or b"")
    data = b""
    while True:
        match http.next_event():
            case h11.NEED_DATA:
                try:
                    http.receive_data(await stream.receive())
                except anyio.EndOfStream:
                    http.receive_data(b"")
            case h11.Response(status_code=200) | h11.InformationalResponse():
                pass
            case h11.Response(status_code=status):
                raise FetchError(_refusal(status))
            case h11.Data(data=piece):
                data = _bounded(data + bytes(piece))
            case _:
                return data


def _refusal(status: int) -> str:
    if 300 <= status < 400:
        return f"it is at another address now (status {status}); write that one"
    return f"its server answers with status {status}"


def _bounded(data: bytes) -> bytes:
    if len(data) > MAX_BYTES:
        raise FetchError(f"it is longer than {MAX_BYTES:,} bytes")
    return data
