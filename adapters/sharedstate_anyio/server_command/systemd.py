"""The protocol of systemd: inherited sockets (sd_listen_fds(3)) and state notifications (sd_notify(3))."""

from __future__ import annotations

import logging
import os
import socket
import time
from typing import Final

from sharedstate_anyio.logs.events import about
from sharedstate_backends.contract import ConfigurationError

log = logging.getLogger("sharedstate")

FIRST: Final = 3
"""Descriptor of the first socket that a service manager passes."""


def inherited_sockets() -> list[socket.socket]:
    """Return the listening sockets of socket activation; empty if there are none.

    Raises:
        ConfigurationError: an inherited file cannot be listened on.
    """
    meant_for, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    if meant_for != str(os.getpid()):
        return []
    if not (count.isascii() and count.isdigit() and 0 < int(count) < 1000):
        raise ConfigurationError("LISTEN_FDS", f"expected a number of sockets, found {count!r}")
    return [_listening(number) for number in range(FIRST, FIRST + int(count))]


def _listening(number: int) -> socket.socket:
    try:
        os.set_inheritable(number, False)
        sock = socket.socket(fileno=number)
        listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        problem = f"file {number} is not a socket: {error.strerror}"
        raise ConfigurationError("LISTEN_FDS", problem) from None
    if not listens or sock.type != socket.SOCK_STREAM:
        problem = f"file {number} is not a listening stream socket; use ListenStream= and Accept=no"
        raise ConfigurationError("LISTEN_FDS", problem)
    sock.setblocking(False)
    return sock


def notify(*states: str) -> None:
    """Notify the service manager, if there is one, of `READY=1`, `STOPPING=1`, `STATUS=...`."""
    target = os.environ.get("NOTIFY_SOCKET", "")
    if not target.startswith(("/", "@")):
        return
    address = f"\0{target[1:]}" if target.startswith("@") else target
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
            sock.connect(address)
            sock.send("\n".join(states).encode())
    except OSError as error:
        text = "the service manager could not be notified of %s: %s"
        log.warning(text, states[0], error.strerror, extra=about("notify_failed"))


def reloading() -> tuple[str, str]:
    """Return the states that announce a reload; `READY=1` ends it."""
    microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    return "RELOADING=1", f"MONOTONIC_USEC={microseconds}"
