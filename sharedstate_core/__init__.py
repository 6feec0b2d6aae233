"""SharedState's protocol core: no I/O, no clock, no randomness, nothing asynchronous.

Report what happens to a `Server` (a connection opened, a message arrived, a commit ended) and perform the effects it
returns. docs/embedding.md explains how, and lists the other public modules; `sharedstate_anyio` is an embedding that
uses all of it.
"""

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
from .errors import AuthReason, ErrorCode, LocalProtocolError, RequestError, SharedStateError
from .limits import Limits
from .messages import Message, Spliced
from .names import Paging
from .paths import CollectionPath, parse_collection_path
from .portions import Portions
from .server.access import Access
from .server.server import Server
from .storage import (
    CommitResult,
    Committed,
    Condition,
    Cursor,
    Loaded,
    Outcome,
    Rejected,
    Row,
    Write,
    condition_holds,
)
from .updates import Diff, Update, apply, compose, diff

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
    "Outcome",
    "Paging",
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
]
