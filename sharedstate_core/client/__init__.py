"""The client side of the protocol, without I/O; the counterpart of the JavaScript client's core."""

from .effects import Changed, ClientEffect, Fault, Moved, Refused, SendText, Settled, Synced
from .protocol import ClientProtocol
from .requests import ClosedError, ConnectionLostError, ServerRefusedError

__all__ = [
    "Changed",
    "ClientEffect",
    "ClientProtocol",
    "ClosedError",
    "ConnectionLostError",
    "Fault",
    "Moved",
    "Refused",
    "SendText",
    "ServerRefusedError",
    "Settled",
    "Synced",
]
