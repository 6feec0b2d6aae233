"""The Python client: local copies of a server's collections, on asyncio and trio.

    async with connect("ws://127.0.0.1:9000") as client:
        ds = await client.acquire("/myapp/items/todo")
        await ds.update(insert=[{"id": "milk", "done": False}])
        async for diffs in ds.changes():
            ...

Every error is a `SharedStateError` with a `code`, as in the JavaScript client.
"""

from typing import TYPE_CHECKING

from sharedstate_core import Condition, Cursor, RequestError, SharedStateError
from sharedstate_core.client import ClosedError, ConnectionLostError, ServerRefusedError

from .changes import Changes, Diff, Status, StatusChanges, User, UserChanges
from .client import Client
from .clock import Clock
from .dataset import Dataset
from .lifetime import connect
from .net.errors import ConnectError
from .parts import Page, Place, Where
from .replica import ReleasedError
from .sign_in import TokenSource, Unauthorized
from .transaction import Transaction

if TYPE_CHECKING:
    __version__: str

__all__ = [
    "Changes",
    "Client",
    "Clock",
    "ClosedError",
    "Condition",
    "ConnectError",
    "ConnectionLostError",
    "Cursor",
    "Dataset",
    "Diff",
    "Page",
    "Place",
    "ReleasedError",
    "RequestError",
    "ServerRefusedError",
    "SharedStateError",
    "Status",
    "StatusChanges",
    "TokenSource",
    "Transaction",
    "Unauthorized",
    "User",
    "UserChanges",
    "Where",
    "__version__",
    "connect",
]


def __getattr__(name: str) -> object:
    """Return the version on first use: in a checkout that takes a call of git."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sharedstate_anyio.version import full_version  # noqa: PLC0415

    return full_version()
