"""The client's side of the protocol, without I/O: the twin of the JavaScript client's core."""

from .effects import Changed, ClientEffect, Fault, Refused, SendText, Settled, Synced
from .protocol import ClientProtocol
from .requests import ClosedError, ConnectionLostError, ServerRefusedError

__all__ = [
    "Changed",
    "ClientEffect",
    "ClientProtocol",
    "ClosedError",
    "ConnectionLostError",
    "Fault",
    "Refused",
    "SendText",
    "ServerRefusedError",
    "Settled",
    "Synced",
]
