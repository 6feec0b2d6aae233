"""What is logged when the history of a store is lost, or may be, and a new epoch was drawn."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .vectors import STARTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.storage import Cursor

    from .vectors import Lost, State

log = logging.getLogger("sharedstate")


def report(store: str, lost: Sequence[Lost]) -> None:
    """Log that a store has gone back, and that a new epoch was drawn."""
    path, before, now = max(lost, key=lambda each: (each.path != STARTS, each.before.version))
    if path == STARTS:
        what = "what is there now is older than this server's start"
    elif before.version:
        what = f"version {before.version} of {path} was stored, and version {now.version}, which is there now, "
        what += "does not go on from it"
    else:
        what = f"what is there now is older than the epoch {before.epoch}, which was there"
    log.error(
        "%s: storage has gone back: %s; updates are lost (was a backup restored, or a replica promoted that lagged "
        "behind?). A new epoch was drawn, and every client gets what is there now",
        store,
        what,
        extra={
            "fields": {
                "event": "history_lost",
                "path": "" if path == STARTS else str(path),
                "collections": sum(each.path != STARTS for each in lost),
            }
        },
    )


def report_doubt(store: str, path: CollectionPath, claimed: Cursor, now: State) -> None:
    """Log that a reader was believed, and that a new epoch was drawn."""
    log.error(
        "%s: storage may have gone back before this server was started: a reader holds version %d of %s, and there is "
        "version %d (was a backup put in place by hand?). A new epoch was drawn, and every client gets what is there "
        "now",
        store,
        claimed.version,
        path,
        now.version,
        extra={"fields": {"event": "history_doubted", "path": str(path)}},
    )


def report_replaced(store: str) -> None:
    """Log that a new epoch was drawn, since the store is now another file."""
    log.error(
        "%s: storage may have gone back: another file has taken its place under the running server. "
        "A new epoch was drawn, and every client gets what is there now",
        store,
        extra={"fields": {"event": "history_doubted"}},
    )


def report_server(store: str, reason: str) -> None:
    """Log that a new epoch was drawn, since the database server may have lost something, for this reason."""
    log.error(
        "%s: %s; a new epoch was drawn, and every client gets what is there now",
        store,
        reason,
        extra={"fields": {"event": "history_doubted"}},
    )
