"""Items to be loaded: their ids, and hints for input that is not quite items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from .failures import BAD_INPUT, CommandError
from .lines import Line, read_objects

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

ID_FIELDS: Final = ("_id", "entity_id", "key", "uuid", "ID", "Id")
"""Common names of an id elsewhere: worth a hint."""

REMEMBERED: Final = 1_000_000
"""Maximum number of ids remembered to find duplicates, some 200 MB; further ones all count as new."""

NAMED: Final = 3
"""Maximum number of duplicates that are named."""

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


async def read_items(fd: int, id_field: str | None) -> AsyncIterator[Line]:
    """Read items, one a line.

    Args:
        fd: to read from.
        id_field: the member from which the id is made; None: items have their `id`.

    Raises:
        CommandError: a line is not an item; the message names the line and gives a hint.
    """
    async for line in read_objects(fd):
        found = line if id_field is None else _with_id(line, id_field)
        if not isinstance(found.value.get("id"), str):
            problem = f"line {line.number}: an item has an id, a string{_advice(line.value)}"
            raise CommandError(problem, BAD_INPUT)
        yield found


def _with_id(line: Line, field: str) -> Line:
    """Return an item whose id is made from another member; the text of its members is kept."""
    made = line.value.get(field)
    if isinstance(made, int) and not isinstance(made, bool):
        made = str(made)
    if not isinstance(made, str):
        problem = f"line {line.number}: {field!r} is neither a text nor a whole number"
        raise CommandError(
            problem if field in line.value else f"{problem}: it is not there", BAD_INPUT
        )
    if field != "id" and line.value.get("id", made) != made:
        problem = f"line {line.number} has an id already, beside {field!r}"
        raise CommandError(problem, BAD_INPUT)
    members = {"id": msgspec.Raw(msgspec.json.encode(made)), **_members.decode(line.text)}
    members["id"] = msgspec.Raw(msgspec.json.encode(made))
    return Line(line.number, msgspec.json.encode(members), {**line.value, "id": made})


def _advice(value: dict[str, object]) -> str:
    if value.get("type") == "FeatureCollection":
        return "; this is a FeatureCollection: give its features, jq -c '.features[]'"
    if isinstance(value.get("id"), int):
        return "; --id-field id makes one of a number"
    for field in ID_FIELDS:
        if isinstance(value.get(field), str | int):
            return f"; --id-field {field} takes that member for it"
    return "; --id-field NAME takes another member for it"


class Ids:
    """The ids that were stored: their number, and the duplicates."""

    def __init__(self) -> None:
        self._lines: dict[str, int] = {}
        self._repeated = 0
        self._named: list[str] = []

    def add(self, batch: Sequence[Line]) -> int:
        """Note what was stored; return the number of new items."""
        added = 0
        for line in batch:
            id = line.value["id"]
            first = self._lines.get(id)
            if first is None:
                added += 1
                if len(self._lines) < REMEMBERED:
                    self._lines[id] = line.number
                continue
            self._repeated += 1
            if len(self._named) < NAMED:
                self._named.append(f"line {line.number} has the id {id!r} of line {first}")
        return added

    def repetitions(self) -> str:
        """Return a remark about duplicate ids, to append to a message."""
        if not self._repeated:
            return ""
        more = self._repeated - len(self._named)
        rest = f", and {more:,} more" if more else ""
        return f"; the last of each id counts: {', '.join(self._named)}{rest}"
