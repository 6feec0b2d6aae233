"""A deterministic World for tests: of the core itself, of custom transports, of stores.

`World` joins a `Server`, a `MemoryStore` and clients, and moves nothing unless told. `Client` alone serves to test a
transport: give it what the transport receives, and it raises `ContractError` if a promise is broken.
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
