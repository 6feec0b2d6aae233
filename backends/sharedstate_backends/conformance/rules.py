"""How failures name the broken rule; the numbers are those of `sharedstate_backends.contract`."""

from __future__ import annotations

from enum import StrEnum


class Rule(StrEnum):
    """A rule of the contract, or one of its calls."""

    COMMIT = "rule 1 (writes in order, in one transaction, versions rise by one)"
    CONDITION = "rule 1 (a write whose condition does not hold is rejected alone)"
    PATCH = "rule 1 (a write with patches does what `updates.resolve` says, or is rejected alone)"
    RECEIPT = (
        "rule 1 (a write with a number does what `receipts.Receipts` says, or is answered by it)"
    )
    KEEP = "rule 2 (what commit returned stays stored)"
    MOMENT = "rule 3 (one moment, and never half a commit)"
    ORDER = "rule 4 (the order of insertion survives)"
    EPOCH = "rule 5 (epoch and version name one state for ever)"
    CANCEL = "rule 6 (a caller may be cancelled, and close waits)"
    LOAD = "load (rows, base, horizon and tombstones)"
    HEADS = "heads (the current cursors)"
    COLLECTIONS = "collections (names of what holds an item, sorted)"
    APPS = "apps (names of what has an item, sorted)"
    PAGES = "pages (of such names: the first that follow one, by code point)"
    PRUNE = "prune (what is empty and not used may go, and no version comes twice)"
    NAMES = "names and ids (different if one code point is)"
    TEXTS = "texts (kept to the byte)"
