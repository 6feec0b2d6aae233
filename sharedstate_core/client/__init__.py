"""The client side of the protocol, without I/O; the counterpart of the JavaScript client's core."""

from .effects import (
    Changed,
    ClientEffect,
    Fault,
    Identified,
    Moved,
    Refused,
    SendText,
    Settled,
    Synced,
    TokenWanted,
    Unauthenticated,
)
from .protocol import ClientProtocol
from .requests import ClosedError, ConnectionLostError, ServerRefusedError
from .session import refresh_after

__all__ = [
    "Changed",
    "ClientEffect",
    "ClientProtocol",
    "ClosedError",
    "ConnectionLostError",
    "Fault",
    "Identified",
    "Moved",
    "Refused",
    "SendText",
    "ServerRefusedError",
    "Settled",
    "Synced",
    "TokenWanted",
    "Unauthenticated",
    "refresh_after",
]
