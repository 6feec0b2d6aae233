"""The address of a MySQL or MariaDB server, with login and timeouts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sharedstate_core.arguments import check_number, expect

if TYPE_CHECKING:
    import ssl


@dataclass(frozen=True, slots=True)
class Address:
    """Where the database is and how to log in.

    Attributes:
        host: name or address.
        port: TCP port.
        socket: path of a socket on this machine, instead of host and port.
        user: name of the database's user.
        password: the user's password.
        database: a valid name.
        tls: certificates to trust and to present; None for no encryption.
        timeout: seconds that connecting or an answer may take.

    Raises:
        TypeError, ValueError: an attribute has the wrong type or value.
    """

    host: str = "localhost"
    port: int = 3306
    socket: str | None = None
    user: str = ""
    password: str = ""
    database: str = "sharedstate"
    tls: ssl.SSLContext | None = None
    timeout: float = 10.0

    def __post_init__(self) -> None:
        for name in ("host", "user", "password", "database"):
            expect(name, getattr(self, name), str)
        if self.socket is not None:
            expect("socket", self.socket, str)
        check_number("port", self.port, 0)
        check_number("timeout", self.timeout, 0.001, whole=False)

    @property
    def lock_wait(self) -> int:
        """Seconds to wait for a lock: less than the timeout, so that the server answers first."""
        return max(1, int(self.timeout / 2))

    @property
    def idle(self) -> int:
        """Seconds after which the server closes a silent connection, and frees its locks."""
        return max(5, int(self.timeout * 3))

    def __str__(self) -> str:
        where = self.socket or f"{self.host}:{self.port}"
        return f"database {self.database} at {where}"
