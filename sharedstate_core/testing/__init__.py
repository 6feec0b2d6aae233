"""A deterministic World for testing the core itself, custom transports and stores.

`World` connects a `Server`, a `MemoryStore` and clients, and moves nothing unless told to. `Client` alone is enough to
test a transport: give it what the transport receives, and it raises `ContractError` if a promise is broken.
"""

from .checks import check_answers, check_copies, check_requests, check_rest
from .client import Client
from .contract import ContractError
from .links import Connection, Link, Operation
from .records import Asked, Copy, Subscribed
from .store import MemoryStore, Version
from .world import World

__all__ = [
    "Asked",
    "Client",
    "Connection",
    "ContractError",
    "Copy",
    "Link",
    "MemoryStore",
    "Operation",
    "Subscribed",
    "Version",
    "World",
    "check_answers",
    "check_copies",
    "check_requests",
    "check_rest",
]
