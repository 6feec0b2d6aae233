"""Listening sockets: on addresses, on UNIX paths, or inherited; and the accept loop."""

from __future__ import annotations

import errno
import logging
import math
import os
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio

from sharedstate_anyio.logs.events import about
from sharedstate_backends import ConfigurationError
from sharedstate_backends.error_collector import ErrorCollector
from sharedstate_core import SharedStateError

from .tls import Tls

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sharedstate_anyio.config.listeners import Listen

log = logging.getLogger("sharedstate")

BACKLOG: Final = 4096
"""Connections queued by the kernel when many clients reconnect at once, at most `net.core.somaxconn`, which is 4,096 by
default. Clients beyond that try again after a second, then three."""

ACCEPTED_AT_ONCE: Final = 8
"""Connections accepted before other tasks get a turn."""

PAUSE_SECONDS: Final = 1.0
"""Pause between attempts to accept while they fail, in seconds."""

COMPLAINT_SECONDS: Final = 60.0
"""A failure to accept is logged once per this interval, in seconds."""

_UNAVAILABLE: Final = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


class ListenError(SharedStateError, OSError):
    """An address cannot be listened on; the text is one line for the operator.

    Attributes:
        reason: why, without the address.
        errno: of the `OSError` behind it.
    """

    code: str = "listen"

    def __init__(self, where: object, error: OSError) -> None:
        hint = ""
        if error.errno in {errno.EACCES, errno.EPERM}:
            hint = "; ports below 1024 and others' folders need a privilege"
        self.reason = f"{error.strerror or error}{hint}"
        super().__init__(f"cannot listen on {where}: {self.reason}")
        self.errno = error.errno


class Listener:
    """One listening socket.

    Args:
        sock: bound and listening, non-blocking.
        tls: TLS context of its connections; None: plain text.
        owns_path: whether closing removes the path of a UNIX socket.

    Attributes:
        address: (host, port) as bound, or the path of a UNIX socket.
        listen: what it is by the configuration; None for a socket that was handed over.
        trusted: whether what comes in has passed a proxy that signs people in.
    """

    def __init__(self, sock: socket.socket, tls: Tls | None, *, owns_path: bool = True) -> None:
        self.sock = sock
        self.tls = tls
        self.listen: Listen | None = None
        self.trusted = False
        name = sock.getsockname()
        self.address: tuple[str, int] | str = (
            os.fsdecode(name) if sock.family == socket.AF_UNIX else name[:2]
        )
        self._file = _file(self.address) if owns_path else None

    @property
    def where(self) -> str:
        """Its address, in words."""
        if isinstance(self.address, str):
            return self.address
        return f"{self.address[0]} port {self.address[1]}"

    def close(self) -> None:
        """Close it and remove its path, unless another process listens there now."""
        self.sock.close()
        if self._file is not None and isinstance(self.address, str):
            if _file(self.address) == self._file:
                Path(self.address).unlink(missing_ok=True)
            self._file = None


def _file(address: tuple[str, int] | str) -> tuple[int, int] | None:
    """Return the identity of the file at a path, if any."""
    if not isinstance(address, str) or "\0" in address:
        return None  # no path: a port, or an abstract name
    try:
        found = Path(address).lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def load_certificates(listen: Sequence[Listen]) -> list[Tls | None]:
    """Load the certificates of listeners, in order; None for a listener without any.

    Raises:
        ConfigurationError: some cannot be used.
    """
    with ErrorCollector() as errors:
        return [None if one.ssl is None else errors.attempt(Tls, one.ssl) for one in listen]


def open_listeners(listen: Listen, tls: Tls | None = None) -> list[Listener]:
    """Open one listener of the configuration: a socket for each address of its host, all on one port.

    Raises:
        ListenError: the host is unknown, the address is in use, or the privilege is missing.
    """
    try:
        if listen.unix is not None:
            sockets = [_open_unix(listen.unix, listen.mode)]
        else:
            sockets = _open_tcp(listen.host, listen.port)
    except OSError as error:
        raise ListenError(listen, error) from None
    return [Listener(sock, tls) for sock in sockets]


def take_over(secured: Sequence[Tls | None], sockets: Sequence[socket.socket]) -> list[Listener]:
    """Use inherited listening sockets in place of the configured addresses.

    Args:
        secured: the certificates for each socket, in order, or a single entry for all.
        sockets: listening sockets. They become non-blocking and are closed at the end; their paths stay.

    Raises:
        ConfigurationError: the numbers do not match.
    """
    if len(secured) not in {1, len(sockets)}:
        problem = f"has {len(secured)} listeners, but {len(sockets)} sockets were handed over"
        raise ConfigurationError("service.listen", problem)
    if len(secured) == 1:
        secured = list(secured) * len(sockets)
    for sock in sockets:
        sock.setblocking(False)  # otherwise `accept` would block the whole program
    return [
        Listener(sock, tls, owns_path=False) for sock, tls in zip(sockets, secured, strict=True)
    ]


def _open_tcp(host: str, port: int) -> list[socket.socket]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    listeners: list[socket.socket] = []
    unavailable: OSError | None = None
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            wanted = port or (listeners[0].getsockname()[1] if listeners else 0)
            try:
                sock = socket.socket(family, kind, protocol)
            except OSError as error:
                unavailable = _unless_serious(error)
                continue
            listeners.append(sock)
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                sock.bind((address[0], wanted, *address[2:]))
            except OSError as error:
                unavailable = _unless_serious(error)
                listeners.pop().close()
                continue
            sock.listen(BACKLOG)
    except OSError:
        for sock in listeners:
            sock.close()
        raise
    if not listeners:
        raise unavailable or OSError(errno.EADDRNOTAVAIL, "the host has no address")
    return listeners


def _unless_serious(error: OSError) -> OSError:
    """Return the error if this machine merely lacks such an address: `localhost` may have others."""
    if error.errno not in _UNAVAILABLE:
        raise error
    return error


def _open_unix(path: str, mode: int) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.setblocking(False)
        _remove_stale(path)
        sock.bind(path)
        Path(path).chmod(mode)  # nobody can connect before `listen`
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _remove_stale(path: str) -> None:
    """Remove the socket of a server that is gone, but nothing else."""
    try:
        if not stat.S_ISSOCK(Path(path).lstat().st_mode):
            raise FileExistsError(
                errno.EEXIST, "a file that is not a socket has this path; choose another"
            )
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()
        except BlockingIOError:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)) from None
        else:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


async def accept_forever(
    listener: Listener, accepted: Callable[[socket.socket, str, Tls | None], None]
) -> None:
    """Pass every new connection to `accepted`, until cancelled.

    Its address (empty for a UNIX socket) and its TLS context are passed along. No error here ends the server: it may be
    temporary (no free file descriptor), or concern one peer that is gone.
    """
    local = isinstance(listener.address, str)
    at_once = 0
    quiet_until = -math.inf
    while True:
        try:
            if not at_once:
                await anyio.wait_readable(listener.sock)
                at_once = ACCEPTED_AT_ONCE
            at_once -= 1
            sock, address = listener.sock.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            at_once = 0
            continue
        except OSError as error:
            at_once = 0
            if anyio.current_time() >= quiet_until:
                quiet_until = anyio.current_time() + COMPLAINT_SECONDS
                reason = error.strerror or type(error).__name__
                if error.errno == errno.EMFILE:
                    reason += " (raise LimitNOFILE= or ulimit -n, or lower limits.connections)"
                text = "cannot accept connections: %s; trying again every second"
                log.warning(text, reason, extra=about("accept_failed"))
            await anyio.sleep(PAUSE_SECONDS)
            continue
        try:
            sock.setblocking(False)
            if not local:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:  # the peer is already gone
            sock.close()
            continue
        accepted(sock, "" if local else address[0], listener.tls)
