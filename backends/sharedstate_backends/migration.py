"""Taking over the tables of the first generation: what becomes of its rows, whatever database holds them.

It kept one row an item, (app, chnl, id, ctime, data): `chnl` is the collection, `data` the whole item as JSON.

1. What clients were shown is what counts: they were shown `data`, never the column `id`.
2. A row is taken over with its text untouched, if a client could write that item today. Any other is told
   of, one line each, and stays in the old table, which is kept.
3. A collection starts at version 1, as if one update had inserted all of its items, in their old order.
4. Under MySQL's usual collations `Key`, `key`, `kéy` and `key  ` were one id: an update of one of them
   overwrote the other's `data` and kept its column. Such a row is taken over by rule 1, and told of; likewise
   one whose id MySQL had cut, or written with question marks.
5. Of rows that claim one id the first is taken over whose key is that id, as text; the others are told of and stay.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

import msgspec

from sharedstate_core.decode import decode_write
from sharedstate_core.errors import RequestError
from sharedstate_core.limits import Limits
from sharedstate_core.paths import split_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Tell: TypeAlias = "Callable[[str], None]"
"""Takes one line for the person who migrates: progress, a row that is left behind, a remark."""

_OLD_COLUMNS: Final = frozenset({"app", "chnl", "id", "ctime", "data"})

BACKUP_SUFFIX: Final = "_before_migration"
"""What the name of the table that keeps the old rows ends with."""

HOW_TO_MIGRATE: Final = (
    "holds data of an earlier SharedState; take it over with: sharedstate-anyio migrate"
)
"""What a server says that finds such a table: the table's name goes before it, that of the configuration after it."""

PROGRESS_ROWS: Final = 10_000
"""Rows between two lines about progress, at least; more when there are many."""

_LIMITS: Final = Limits()
_OLD_ID_CHARACTERS: Final = 64
_BEYOND_UTF8MB3: Final = re.compile(r"[\U00010000-\U0010ffff]")


class _UnfitError(Exception):
    """A row cannot be taken over; the message says why."""


class OldRow(NamedTuple):
    """A row as the old table holds it: text, its bytes, None for NULL, or what somebody else put there.

    `hidden` says that the old server did not find it by its key, which is bytes where it asked for text.
    """

    app: object
    chnl: object
    id: object
    data: object
    hidden: object = False


class NewItem(NamedTuple):
    """An item to store in a collection at version 1; `place` is its place there."""

    app: str
    collection: str
    id: str
    text: bytes
    place: int


@dataclass(frozen=True, slots=True)
class Migrated:
    """What a migration did.

    Attributes:
        table: the service's table, of the present format now.
        backup: the table that keeps all the old rows.
        rows: rows that the old table holds.
        taken: of these, how many were taken over.
        collections: into how many collections.
    """

    table: str
    backup: str
    rows: int
    taken: int
    collections: int


class Migratable(Protocol):
    """A backend that may find tables of the first generation; this is no part of the `Backend` contract."""

    async def migrate(self, tell: Tell) -> Migrated | None:
        """Convert the table in place, on a backend that is not open; nothing is left open.

        Whenever this is interrupted, doing it again ends as if it never had been.

        Returns:
            What was done; None if there is nothing to migrate, in which case nothing was changed.

        Raises:
            StorageError: the database cannot be used; the old table is as it was.
        """
        ...


def is_old(columns: Iterable[str]) -> bool:
    """Tell whether a table with these columns is one of the first generation; their letters' case does not matter."""
    return {name.lower() for name in columns} == _OLD_COLUMNS


class Conversion:
    """Turns the old table's rows into items.

    Args:
        tell: hears of progress and of every row that needs attention.
        total: number of rows in the old table.
        one_name: whether names that differ only in case, accents or spaces at the end were one to the old table.
        max_text: the longest text that can be stored, in bytes; None for any.
    """

    def __init__(
        self, tell: Tell, total: int, *, one_name: bool = False, max_text: int | None = None
    ) -> None:
        self.rows = self.taken = self.collections = 0
        self._tell = tell
        self._total = total
        self._max_text = max_text
        self._names: dict[str, str] | None = {} if one_name else None

    def items(self, rows: Iterable[OldRow]) -> Iterator[NewItem]:
        """Return the items to store, each once; may be called again with further collections.

        Args:
            rows: those of one (app, chnl), byte for byte, all together and in order of insertion.
        """
        for _, group in groupby(map(self._counted, rows), key=itemgetter(0, 1)):
            yield from self._collection(group)
        if self.rows == self._total >= PROGRESS_ROWS:
            self._tell(f"{self.rows:,} of {self._total:,} rows read")

    def _counted(self, row: OldRow) -> OldRow:
        if self.rows and self.rows % max(PROGRESS_ROWS, self._total // 20) == 0:
            self._tell(f"{self.rows:,} of {self._total:,} rows read")
        self.rows += 1
        return row

    def _collection(self, rows: Iterable[OldRow]) -> Iterator[NewItem]:
        ids: set[str] = set()
        others: list[tuple[OldRow, NewItem]] = []
        place = 0
        for row in rows:
            try:
                item = self._item(row, place)
            except _UnfitError as error:
                self._leave(row, str(error))
                continue
            place += 1
            if row.hidden or item.id != _text(row.id, "id") or item.id in ids:
                others.append((row, item))
            else:
                ids.add(item.id)
                yield item
        for row, item in others:  # after all that have a better claim to their id
            says = item.id != _text(row.id, "id")
            if item.id in ids:
                because = ", which its item says" if says else ""
                self._leave(row, f"another row has the id {_shown(item.id)}{because}")
                continue
            ids.add(item.id)
            yield item
            if says:
                known = f"taken over as {_shown(item.id)}, the id that its item says"
                self._tell(f"{_place(row)}: {known}")
        self.taken += len(ids)
        if ids:
            self.collections += 1
            self._compare(item.app, item.collection)

    def _item(self, row: OldRow, place: int) -> NewItem:
        item = _item(row, place)
        if self._max_text is not None and len(item.text) > self._max_text:
            problem = f"{len(item.text)} bytes, more than the {self._max_text} that can be stored"
            raise _UnfitError(f"data: has {problem}; raise max_allowed_packet")
        return item

    def _leave(self, row: OldRow, problem: str) -> None:
        self._tell(f"{_place(row)}: left behind: {problem}")

    def _compare(self, app: str, collection: str) -> None:
        """Say so if the old table took two collections for one."""
        if self._names is None:
            return
        name = f"/{app}/…/{collection}"
        other = self._names.setdefault(_folded(name), name)
        if other != name:
            self._tell(f"{_shown(name)} and {_shown(other)} were one collection and are two now")


def _item(row: OldRow, place: int) -> NewItem:
    """Return the row's item.

    Raises:
        _UnfitError: why it cannot be taken over.
    """
    app, collection = _segment(row.app, "app"), _segment(row.chnl, "chnl")
    column = _text(row.id, "id")
    text = _text(row.data, "data").encode()
    try:
        msgspec.json.decode(text, type=msgspec.Raw)  # one value and no more
        write = decode_write(msgspec.Raw(b'{"insert":[%b]}' % text), _LIMITS)
    except RequestError as error:
        raise _UnfitError(
            f"data: {error.message.removeprefix('insert[0]').lstrip('.: ')}"
        ) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise _UnfitError(f"data: {_json_fault(text.decode(), error)}") from None
    ((id, _),) = write.update.insert.items()
    if id != column and _folded(column) not in map(_folded, _forms(id)):
        raise _UnfitError(f"data: the item says that its id is {_shown(id)}")
    return NewItem(app, collection, id, text, place)


def _segment(value: object, column: str) -> str:
    name = _text(value, column)
    try:
        segments = split_path(name)
    except RequestError as error:
        raise _UnfitError(f"{column}: {error.message.rpartition(': ')[2]}") from None
    if segments != (name,):
        raise _UnfitError(f"{column}: is no segment of a path")
    return name


def _text(value: object, column: str) -> str:
    if value is None:
        raise _UnfitError(f"{column}: is missing")
    if not isinstance(value, str | bytes):
        raise _UnfitError(f"{column}: is no text")
    try:
        return value.decode() if isinstance(value, bytes) else value.encode().decode()
    except UnicodeError:
        raise _UnfitError(f"{column}: is no Unicode text") from None


def _json_fault(text: str, error: Exception) -> str:
    """Say why a text is no JSON. Python's own encoder, which wrote it, knows NaN."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return f"is no JSON ({error})"
    return "holds NaN or Infinity, which JSON does not know"


def _folded(text: str) -> str:
    """Return what is left of a name under the usual collations: no case, no accents, no spaces at the end."""
    letters = unicodedata.normalize("NFKD", text.rstrip(" "))
    return "".join(each for each in letters if not unicodedata.combining(each)).casefold()


def _forms(id: str) -> Iterator[str]:
    """Yield what became of an id in the first generation's column in MySQL, 64 characters of at most 3 bytes each.

    Unless `sql_mode` was strict, MySQL cut what was longer, and put question marks in place of other characters or
    cut there, depending on its version.
    """
    yield id
    for substitute in ("?", "????"):
        yield _BEYOND_UTF8MB3.sub(substitute, id)[:_OLD_ID_CHARACTERS]
    yield _BEYOND_UTF8MB3.split(id, maxsplit=1)[0][:_OLD_ID_CHARACTERS]


def _place(row: OldRow) -> str:
    return f"row ({_shown(row.app)}, {_shown(row.chnl)}, {_shown(row.id)})"


def _shown(value: object) -> str:
    """Return a value for one line, as short as may be."""
    if isinstance(value, bytes):
        value = value.decode(errors="backslashreplace")
    if value is None:
        return "NULL"
    text = str(value)
    quoted = json.dumps(text, ensure_ascii=not text.isprintable())
    return quoted if len(quoted) <= 100 else f"{quoted[:99]}…"
