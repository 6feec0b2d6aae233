"""Checks of storage's results, made before a ticket is closed and before anything has changed.

The rules:

1. An impossible result (a row that is not a `Row`, a text that is not bytes, a version beyond the head, the wrong
   number of outcomes) raises `LocalProtocolError`, which names the place. The core is unchanged and the ticket still
   open: the embedder answers with `commit_failed`, `load_failed` or `list_failed`.
2. Whatever passes can be applied, kept and sent to clients without an error.
3. The contents of an item's text are not checked: it is what storage was given. Only storage can know whether a state
   is the right one.
4. Rows come by the hundred thousand: checking them costs a tenth of what applying them does. What is too much for one
   turn is checked by portions, while it is taken in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, get_args

from msgspec.structs import replace

from .arguments import found
from .errors import ErrorCode, LocalProtocolError
from .paths import CollectionPath
from .portions import Portions
from .storage import CommitResult, Committed, Cursor, Loaded, Rejected, Row, raises_version

if TYPE_CHECKING:
    from .storage import Outcome, Write

MAX_VERSION: Final = 2**53 - 1
"""The greatest whole number that every JSON reader reads exactly."""

_CODES: Final = frozenset(get_args(ErrorCode))


def checked_commit(result: object, writes: Sequence[Write]) -> CommitResult:
    """Return storage's result of a commit of these writes, after checking it.

    Raises:
        LocalProtocolError: the result is impossible.
    """
    if not isinstance(result, CommitResult):
        raise _wrong("result", "a CommitResult", result)
    if result.epoch.__class__ is not str or not result.epoch.isascii():
        _check_text("CommitResult.epoch", result.epoch)
    outcomes: Sequence[Outcome] = _listed("CommitResult.outcomes", result.outcomes)
    if len(outcomes) != len(writes):
        problem = f"expected {len(writes)} outcomes, one for each write, found {len(outcomes)}"
        raise LocalProtocolError(f"CommitResult.outcomes: {problem}")
    before = -1  # not known yet
    for index, (write, outcome) in enumerate(zip(writes, outcomes, strict=True)):
        if outcome.__class__ is not Committed or outcome.version.__class__ is not int:
            _check_outcome(f"CommitResult.outcomes[{index}]", outcome)
        if write.op is None or write.refusal is not None:
            _check_kind(f"CommitResult.outcomes[{index}]", write, outcome)
        step = raises_version(write, outcome)
        if before < 0:
            before = outcome.version - step if outcome.version > 0 else 0
        if outcome.version != before + step:
            problem = f"expected {before + step} after {before}, found {outcome.version}"
            raise LocalProtocolError(f"CommitResult.outcomes[{index}].version: {problem}")
        before = outcome.version
    if before > MAX_VERSION:
        raise _wrong("CommitResult.outcomes[-1].version", f"at most {MAX_VERSION}", before)
    return result if outcomes is result.outcomes else CommitResult(result.epoch, outcomes)


def checked_load(loaded: object, since: Cursor | None, at_once: int | None = None) -> Loaded:
    """Return storage's result of a load that asked for what changed after `since`, after checking it.

    With more rows than `at_once` the rows are left to `check_rows`; None for any number.

    Raises:
        LocalProtocolError: the result is impossible, or is not what was asked for.
    """
    if not isinstance(loaded, Loaded):
        raise _wrong("result", "a Loaded", loaded)
    epoch, version, horizon = loaded.epoch, loaded.version, loaded.horizon
    rows, base = loaded.rows, loaded.base
    _check_text("Loaded.epoch", epoch)
    _check_version("Loaded.version", version)
    _check_version("Loaded.horizon", horizon, version)
    if base is not None:
        _check_base(base, loaded, since)
    listed: Sequence[Row] = _listed("Loaded.rows", rows)
    if listed and (at_once is None or len(listed) <= at_once):
        check_rows(listed, base or 0, version)
    return loaded if listed is rows else replace(loaded, rows=listed)


def checked_names(names: object) -> Sequence[str]:
    """Return the names that storage listed, after checking them.

    Raises:
        LocalProtocolError: they are not a sequence of Unicode texts.
    """
    listed: Sequence[str] = _listed("names", names)
    if not set(map(type, listed)) <= {str} or not _is_unicode("".join(listed)):
        for index, name in enumerate(listed):
            _check_text(f"names[{index}]", name)
    return listed


def check_change(path: object, cursor: object) -> None:
    """Check a report of another process's commit.

    Raises:
        LocalProtocolError: `path` is not a valid `CollectionPath`, or `cursor` is not a valid `Cursor` or None.
    """
    if not isinstance(path, CollectionPath) or set(map(type, path)) != {str}:
        raise _wrong("path", "a CollectionPath", path)
    if cursor is not None:
        if not isinstance(cursor, Cursor):
            raise _wrong("cursor", "a Cursor or None", cursor)
        _check_text("cursor.epoch", cursor.epoch)
        _check_version("cursor.version", cursor.version)


# --- rows -----------------------------------------------------------------------------------------


def check_rows(rows: Sequence[Row], base: int, head: int, start: int = 0) -> None:
    """Check rows of a load, of which the first is at the index `start`, for versions after `base` and up to `head`.

    Raises:
        LocalProtocolError: one is impossible, or two of them have the same id.
    """
    kinds = dict.fromkeys(map(type, rows))
    if not all(issubclass(kind, Row) for kind in kinds):
        index = [issubclass(type(row), Row) for row in rows].index(False)
        raise _wrong(f"Loaded.rows[{start + index}]", "a Row", rows[index])
    # `__class__` and bare comparisons cost half as much as calls would.
    for row in rows:
        text, created, place, version = row.text, row.created, row.place, row.version
        if not (
            row.id.__class__ is str
            and (text.__class__ is bytes or text is None)
            and created.__class__ is place.__class__ is version.__class__ is int
            and base < version <= head
            and 0 <= created <= version
            and place >= 0
        ):
            _refuse_row(rows, base, head, start)
    _check_ids([row.id for row in rows], start)


def _refuse_row(rows: Sequence[Row], base: int, head: int, start: int) -> None:
    """Raise an error that describes the first invalid row."""
    for index, each in enumerate(rows, start):
        row = f"Loaded.rows[{index}]"
        id, text, version = each.id, each.text, each.version
        created, place = each.created, each.place
        if type(id) is not str:
            raise _wrong(f"{row}.id", "a str", id)
        if text is not None and type(text) is not bytes:
            raise _wrong(f"{row}.text", "bytes or None", text)
        if type(version) is not int or not base < version <= head:
            expected = f"a version after {base} and up to {head}"
            raise _wrong(f"{row}.version", expected, version)
        _check_version(f"{row}.created", created, version)
        _check_version(f"{row}.place", place)


def _check_ids(ids: Sequence[str], start: int) -> None:
    if len(set(ids)) < len(ids):
        seen: set[str] = set()
        for index, id in enumerate(ids, start):
            if id in seen:
                raise LocalProtocolError(f"Loaded.rows[{index}].id: another row has this id")
            seen.add(id)
    if not _is_unicode("".join(ids)):
        for index, id in enumerate(ids, start):
            _check_text(f"Loaded.rows[{index}].id", id)


def _check_base(base: int, loaded: Loaded, since: Cursor | None) -> None:
    """Check that the changes after `base` were asked for, and that all of them are known."""
    _check_version("Loaded.base", base, loaded.version)
    if since != (loaded.epoch, base):
        asked = "everything" if since is None else f"{since.version} in epoch {since.epoch!r}"
        problem = f"expected None, or what was asked for: {asked}"
        raise LocalProtocolError(f"Loaded.base: {problem}; found {base} in {loaded.epoch!r}")
    if base < loaded.horizon:
        problem = f"{base} is before the horizon, {loaded.horizon}: not every removal is known"
        raise LocalProtocolError(f"Loaded.base: {problem}")


# --- helpers --------------------------------------------------------------------------------------


def _check_outcome(place: str, outcome: object) -> None:
    if not isinstance(outcome, Committed | Rejected):
        raise _wrong(place, "Committed or Rejected", outcome)
    _check_version(f"{place}.version", outcome.version)
    if isinstance(outcome, Rejected):
        if type(outcome.code) is not str or outcome.code not in _CODES:
            raise _wrong(f"{place}.code", "an ErrorCode", outcome.code)
        _check_text(f"{place}.message", outcome.message)
        if outcome.place is not None:
            _check_text(f"{place}.place", outcome.place)
        if outcome.ids is not None:
            for index, id in enumerate(_listed(f"{place}.ids", outcome.ids)):
                _check_text(f"{place}.ids[{index}]", id)


def _check_kind(place: str, write: Write, outcome: Outcome) -> None:
    """Check that only what has a number is answered by a receipt, and that what is refused was not stored now."""
    if write.op is None:
        if outcome.duplicate if isinstance(outcome, Committed) else outcome.by_receipt:
            raise _wrong(place, "an outcome without a receipt, for a write without `op`", outcome)
    elif isinstance(outcome, Committed) and not outcome.duplicate:
        raise _wrong(place, "a refusal, or a duplicate", outcome)


def _check_version(place: str, version: object, most: int = MAX_VERSION) -> None:
    if type(version) is not int or not 0 <= version <= most:
        raise _wrong(place, f"a whole number from 0 to {most}", version)


def _check_text(place: str, text: object) -> None:
    if type(text) is not str:
        raise _wrong(place, "a str", text)
    if not _is_unicode(text):
        raise LocalProtocolError(f"{place}: holds half of a surrogate pair, which is not Unicode")


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _listed(place: str, values: object) -> Sequence[Any]:
    """Return the elements of a sequence, which are not checked yet."""
    if values.__class__ is list or isinstance(values, tuple | Portions):
        return values
    if not isinstance(values, Sequence) or isinstance(values, str | bytes | bytearray):
        raise _wrong(place, "a sequence", values)
    try:
        return list(values)
    except Exception as error:
        raise LocalProtocolError(f"{place}: reading it failed: {error!r}") from error


def _wrong(place: str, expected: str, value: object) -> LocalProtocolError:
    return LocalProtocolError(f"{place}: expected {expected}, found {found(value)}")
