"""Takes over tables of the first generation, in any database; `rows` converts a single row.

1. A row that cannot be taken over stays in the old table, which is kept, and is reported on one line.
2. A collection starts at version 1, as if one update had inserted all of its items, in their old order.
3. Of rows that claim the same id, the first whose key is that id, as text, is taken over; the others are reported and
   left behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from .rows import UnfitError, column_text, converted, folded, row_name, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .rows import NewItem, OldRow

Tell: TypeAlias = "Callable[[str], None]"
"""Receives one line for the operator: progress, a row that is left behind, a remark."""

_OLD_COLUMNS: Final = frozenset({"app", "chnl", "id", "ctime", "data"})

BACKUP_SUFFIX: Final = "_before_migration"
"""Suffix of the table that keeps the old rows."""

HOW_TO_MIGRATE: Final = (
    "holds data of an earlier SharedState; take it over with: sharedstate-anyio migrate"
)
"""The error for such a table, between the table's name and that of the configuration."""

PROGRESS_ROWS: Final = 10_000
"""Minimum number of rows between two lines about progress."""


@dataclass(frozen=True, slots=True)
class Migrated:
    """What a migration did.

    Attributes:
        table: the service's table, now in the present format.
        backup: the table that keeps all the old rows.
        rows: number of rows in the old table.
        taken: number of rows taken over.
        collections: number of collections that they became.
    """

    table: str
    backup: str
    rows: int
    taken: int
    collections: int


class Migratable(Protocol):
    """A backend that may find tables of the first generation; this is not part of the `Backend` contract."""

    async def migrate(self, tell: Tell) -> Migrated | None:
        """Convert the table in place, on a backend that is not open; nothing is left open.

        It may be interrupted at any moment; running it again completes it.

        Returns:
            What was done; None if there is nothing to migrate, and nothing was changed.

        Raises:
            StorageError: the database cannot be used; the old table is unchanged.
        """
        ...


def is_old(columns: Iterable[str]) -> bool:
    """Return whether a table with these columns is of the first generation; case is ignored."""
    return {name.lower() for name in columns} == _OLD_COLUMNS


class Conversion:
    """Turns the old table's rows into items.

    Args:
        tell: receives progress and every row that needs attention.
        total: number of rows in the old table.
        one_name: whether names that differ only in case, accents or trailing spaces were the same in the old table.
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
        """Yield the items to store, each once; may be called again with further collections.

        Args:
            rows: all rows of one (app, chnl), byte for byte, in order of insertion.
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
            except UnfitError as error:
                self._leave(row, str(error))
                continue
            place += 1
            if row.hidden or item.id != column_text(row.id, "id") or item.id in ids:
                others.append((row, item))
            else:
                ids.add(item.id)
                yield item
        for row, item in others:  # after those with a better claim to their id
            says = item.id != column_text(row.id, "id")
            if item.id in ids:
                because = ", which its item says" if says else ""
                self._leave(row, f"another row has the id {shown(item.id)}{because}")
                continue
            ids.add(item.id)
            yield item
            if says:
                known = f"taken over as {shown(item.id)}, the id that its item says"
                self._tell(f"{row_name(row)}: {known}")
        self.taken += len(ids)
        if ids:
            self.collections += 1
            self._compare(item.app, item.collection)

    def _item(self, row: OldRow, place: int) -> NewItem:
        item = converted(row, place)
        if self._max_text is not None and len(item.text) > self._max_text:
            problem = f"{len(item.text)} bytes, more than the {self._max_text} that can be stored"
            raise UnfitError(f"data: has {problem}; raise max_allowed_packet")
        return item

    def _leave(self, row: OldRow, problem: str) -> None:
        self._tell(f"{row_name(row)}: left behind: {problem}")

    def _compare(self, app: str, collection: str) -> None:
        """Report two collections that were one in the old table."""
        if self._names is None:
            return
        name = f"/{app}/…/{collection}"
        other = self._names.setdefault(folded(name), name)
        if other != name:
            self._tell(f"{shown(name)} and {shown(other)} were one collection and are two now")
