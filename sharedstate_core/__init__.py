"""SharedState's protocol core: no I/O, no clock, no randomness, nothing asynchronous.

Report what happens to a `Server` (a connection opened, a message arrived, a commit ended) and perform the effects it
returns. docs/embedding.md explains how, and lists the other public modules; `sharedstate_anyio` is an embedding that
uses all of it.
"""

from typing import TYPE_CHECKING

from ._version import __version__
from .counters import Census, Counters
from .effects import (
    Answer,
    Authenticate,
    AwaitDrain,
    Close,
    Commit,
    Doubt,
    Effect,
    ListApps,
    ListCollections,
    Load,
    PauseReading,
    Refused,
    ResumeReading,
    Send,
)
from .errors import (
    AuthReason,
    ErrorCode,
    LocalProtocolError,
    MismatchError,
    RequestError,
    SharedStateError,
)
from .limits import Limits
from .messages import Message, Spliced
from .names import Paging
from .patches.patch import Patch
from .paths import CollectionPath, parse_collection_path
from .portions import Portions
from .storage import (
    CommitResult,
    Committed,
    Condition,
    Cursor,
    Loaded,
    Operation,
    Outcome,
    Rejected,
    Row,
    Write,
    condition_holds,
)
from .updates import Diff, Update, apply, compose, diff, resolve

if TYPE_CHECKING:
    from .server.access import Access
    from .server.server import Server

__all__ = [
    "Access",
    "Answer",
    "AuthReason",
    "Authenticate",
    "AwaitDrain",
    "Census",
    "Close",
    "CollectionPath",
    "Commit",
    "CommitResult",
    "Committed",
    "Condition",
    "Counters",
    "Cursor",
    "Diff",
    "Doubt",
    "Effect",
    "ErrorCode",
    "Limits",
    "ListApps",
    "ListCollections",
    "Load",
    "Loaded",
    "LocalProtocolError",
    "Message",
    "MismatchError",
    "Operation",
    "Outcome",
    "Paging",
    "Patch",
    "PauseReading",
    "Portions",
    "Refused",
    "Rejected",
    "RequestError",
    "ResumeReading",
    "Row",
    "Send",
    "Server",
    "SharedStateError",
    "Spliced",
    "Update",
    "Write",
    "__version__",
    "apply",
    "compose",
    "condition_holds",
    "diff",
    "parse_collection_path",
    "resolve",
]


def __getattr__(name: str) -> object:
    """Import the server on first use: clients do without it."""
    if name == "Server":
        from .server.server import Server  # noqa: PLC0415

        return Server
    if name == "Access":
        from .server.access import Access  # noqa: PLC0415

        return Access
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the lazy names too: `help` and completion look here."""
    return sorted({*globals(), *__all__})
