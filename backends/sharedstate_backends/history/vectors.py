"""Version vectors: whether one head goes on from another, as pure functions (see `history` for the rules)."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Final, NamedTuple

from sharedstate_core.paths import CollectionPath

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


MAX_WRITERS: Final = 16
"""Maximum number of writers in a vector, the latest: earlier ones are forgotten, and what goes on from their versions
is taken on trust. Each start of a process adds one to each collection that it writes to."""

MAX_EPOCHS: Final = 16
"""Maximum number of former epochs that a store remembers, the latest: at 12 characters each they fit in 255."""

STARTS: Final = CollectionPath("", "", "")
"""In place of a collection: the starts of processes, each of which counts as a version by a writer of its own."""

ANYBODY: Final = "*"
"""The writer that stands for pruned history, in the vectors of collections that begin at the floor."""

_ENTRY: Final = re.compile(r"(?:[A-Za-z0-9_-]+|\*):[0-9]+")


class State(NamedTuple):
    """A collection's head, as far as it distinguishes histories.

    Attributes:
        epoch: the store's.
        version: the collection's.
        writers: its version vector as text, `"w:7 x:9"`, in the order of versions; empty before the first commit, and
            in heads written by version 0.1.
    """

    epoch: str
    version: int = 0
    writers: str = ""


def absent(epoch: str, floor: int) -> State:
    """Return the state of a collection without a head: empty, at the store's floor."""
    return State(epoch, floor, f"{ANYBODY}:{floor}" if floor else "")


def is_absent(state: State) -> bool:
    """Return whether this is the state of a collection without a head."""
    return state == absent(state.epoch, state.version)


def steady(
    told: Mapping[CollectionPath, State], found: dict[CollectionPath, State]
) -> dict[CollectionPath, State]:
    """Return `found`, with the last reported state of collections that still have no head.

    The floor has risen because of others, which is not a change for their readers.
    """
    for path, before in told.items():
        now = found.get(path)
        if now and before.epoch == now.epoch and is_absent(before) and is_absent(now):
            found[path] = before
    return found


def new_epoch() -> str:
    """Return a new epoch."""
    return secrets.token_urlsafe(9)


def with_writer(writers: str, writer: str, version: int) -> str:
    """Return the version vector after this writer has made this version, which is later than all others."""
    others, space, last = writers.rpartition(" ")
    if last.startswith(f"{writer}:"):  # the usual case
        return f"{others}{space}{writer}:{version}"
    entries = [
        each
        for each in writers.split()
        if _ENTRY.fullmatch(each) and not each.startswith(writer + ":")
    ]
    return " ".join([*entries[1 - MAX_WRITERS :], f"{writer}:{version}"])


def starts(epoch: str, marks: str) -> State:
    """Return the state of `STARTS` from the stored marks."""
    version = marks.rpartition(":")[2]
    return State(epoch, int(version) if version.isdecimal() else 0, marks)


def with_start(marks: str) -> str:
    """Return the marks with one more. There are at most 16, so they fit in 255 characters."""
    return with_writer(marks, secrets.token_urlsafe(4), starts("", marks).version + 1)


def with_epochs(former: str, epochs: Iterable[str]) -> str:
    """Return the list of former epochs with these added."""
    known = [*former.split(), *filter(None, epochs)]
    return " ".join(list(dict.fromkeys(known))[-MAX_EPOCHS:])


def goes_on(before: State, now: State, former: str = "") -> bool:
    """Return whether a head goes on from an earlier one.

    Args:
        before: what storage held.
        now: what it holds.
        former: the epochs before the present one, oldest first, separated by spaces. May be omitted if the epochs are
            equal; without it, the result for different epochs is False.
    """
    if before.epoch != now.epoch:
        return before.epoch in former.split()
    if before.version > now.version:
        return False
    if before.writers == now.writers:
        return True  # nothing was written, or version 0.1 wrote it
    if not all(map(_ENTRY.fullmatch, [*before.writers.split(), *now.writers.split()])):
        return False  # not ours
    writer, _, version = before.writers.rpartition(" ")[2].partition(":")
    if not writer or int(version) != before.version:
        return True  # version 0.1 made it: only the versions can be compared
    entries = dict(each.split(":") for each in now.writers.split())
    if int(entries.get(ANYBODY, 0)) >= before.version:
        return True
    if writer in entries:
        return int(entries[writer]) >= before.version
    return len(entries) == MAX_WRITERS and all(
        int(each) > before.version for each in entries.values()
    )


class Lost(NamedTuple):
    """A collection whose history is lost: its head before, and its head now."""

    path: CollectionPath
    before: State
    now: State


def find_lost(
    remembered: Mapping[CollectionPath, State],
    found: Mapping[CollectionPath, State],
    former: str = "",
) -> list[Lost]:
    """Return the collections that do not go on from what is remembered; see `goes_on` for `former`."""
    return [
        Lost(path, before, found[path])
        for path, before in remembered.items()
        if before != found[path] and not goes_on(before, found[path], former)
    ]
