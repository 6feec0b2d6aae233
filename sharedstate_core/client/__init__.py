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
from .views import WHOLE, At, Filter, Key, make_filter

__all__ = [
    "WHOLE",
    "At",
    "Changed",
    "ClientEffect",
    "ClientProtocol",
    "ClosedError",
    "ConnectionLostError",
    "Fault",
    "Filter",
    "Identified",
    "Key",
    "Moved",
    "Refused",
    "SendText",
    "ServerRefusedError",
    "Settled",
    "Synced",
    "TokenWanted",
    "Unauthenticated",
    "make_filter",
    "refresh_after",
]
