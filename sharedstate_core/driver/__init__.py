"""The part that all transports share: no I/O, no clock, nothing asynchronous.

A `Driver` owns a `Server` and performs its effects on *peers*, the transport's connections. The program around it, its
*host*, passes in texts, time and storage's results; see docs/embedding.md.
"""

from .driver import Driver
from .host import BroadcastingHost, Host
from .operations import Operation
from .peer import Peer
from .queued_peer import QueuedPeer

__all__ = ["BroadcastingHost", "Driver", "Host", "Operation", "Peer", "QueuedPeer"]
