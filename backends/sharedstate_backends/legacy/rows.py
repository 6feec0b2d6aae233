"""One row of the first generation's table, and the item that it becomes.

That table had one row per item, (app, chnl, id, ctime, data): `chnl` is the collection, `data` the whole item as JSON.

1. What counts is what clients saw: `data`, never the column `id`.
2. Exactly the rows whose item a client could write today are taken over, with their text unchanged.
3. Under MySQL's usual collations `Key`, `key`, `kéy` and `key  ` were one id: an update of one of them
   overwrote the other's `data` and kept its column. Such a row is taken over by rule 1, and reported; likewise
   one whose id MySQL had truncated, or written with question marks.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from sharedstate_core.errors import RequestError
from sharedstate_core.limits import Limits
from sharedstate_core.paths import split_path
from sharedstate_core.wire.decode import decode_write

if TYPE_CHECKING:
    from collections.abc import Iterator

_LIMITS: Final = Limits()
_OLD_ID_CHARACTERS: Final = 64
_BEYOND_UTF8MB3: Final = re.compile(r"[\U00010000-\U0010ffff]")


class UnfitError(Exception):
    """A row cannot be taken over; the message says why."""


class OldRow(NamedTuple):
    """A row as the old table holds it: text, its bytes, None for NULL, or something else.

    `hidden`: the old server did not find it by its key, which is bytes where it searched for text.
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


def converted(row: OldRow, place: int) -> NewItem:
    """Return the row's item.

    Raises:
        UnfitError: it cannot be taken over; the message says why.
    """
    app, collection = _segment(row.app, "app"), _segment(row.chnl, "chnl")
    column = column_text(row.id, "id")
    text = column_text(row.data, "data").encode()
    try:
        msgspec.json.decode(text, type=msgspec.Raw)  # exactly one value
        write = decode_write(msgspec.Raw(b'{"insert":[%b]}' % text), _LIMITS).write
    except RequestError as error:
        raise UnfitError(f"data: {error.message.removeprefix('insert[0]').lstrip('.: ')}") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise UnfitError(f"data: {_json_fault(text.decode(), error)}") from None
    ((id, _),) = write.update.insert.items()
    if id != column and folded(column) not in map(folded, _forms(id)):
        raise UnfitError(f"data: the item says that its id is {shown(id)}")
    return NewItem(app, collection, id, text, place)


def _segment(value: object, column: str) -> str:
    name = column_text(value, column)
    try:
        segments = split_path(name)
    except RequestError as error:
        raise UnfitError(f"{column}: {error.message.rpartition(': ')[2]}") from None
    if segments != (name,):
        raise UnfitError(f"{column}: is not a segment of a path")
    return name


def column_text(value: object, column: str) -> str:
    """Return a column's text.

    Raises:
        UnfitError: it has none.
    """
    if value is None:
        raise UnfitError(f"{column}: is missing")
    if not isinstance(value, str | bytes):
        raise UnfitError(f"{column}: is not text")
    try:
        return value.decode() if isinstance(value, bytes) else value.encode().decode()
    except UnicodeError:
        raise UnfitError(f"{column}: is not Unicode text") from None


def _json_fault(text: str, error: Exception) -> str:
    """Return why a text is not JSON. Python's encoder, which wrote it, allows NaN and lone surrogates."""
    constants: list[str] = []
    try:
        value = json.loads(text, parse_constant=constants.append)
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "holds half of a surrogate pair, which is not Unicode"
    except (ValueError, RecursionError):
        return f"is not JSON ({error})"
    return (
        "holds NaN or Infinity, which JSON does not know" if constants else f"is not JSON ({error})"
    )


def folded(text: str) -> str:
    """Return a name as the usual collations compare it: without case, accents and trailing spaces."""
    letters = unicodedata.normalize("NFKD", text.rstrip(" "))
    return "".join(each for each in letters if not unicodedata.combining(each)).casefold()


def _forms(id: str) -> Iterator[str]:
    """Yield what an id may have become in the first generation's column in MySQL, 64 characters of at most 3 bytes.

    Unless `sql_mode` was strict, MySQL truncated longer ids, and replaced other characters by question marks or
    truncated there, depending on its version.
    """
    yield id
    for substitute in ("?", "????"):
        yield _BEYOND_UTF8MB3.sub(substitute, id)[:_OLD_ID_CHARACTERS]
    yield _BEYOND_UTF8MB3.split(id, maxsplit=1)[0][:_OLD_ID_CHARACTERS]


def row_name(row: OldRow) -> str:
    """Return a row's name for messages."""
    return f"row ({shown(row.app)}, {shown(row.chnl)}, {shown(row.id)})"


def shown(value: object) -> str:
    """Return a value on one line, shortened."""
    if isinstance(value, bytes):
        value = value.decode(errors="backslashreplace")
    if value is None:
        return "NULL"
    text = str(value)
    quoted = json.dumps(text, ensure_ascii=not text.isprintable())
    return quoted if len(quoted) <= 100 else f"{quoted[:99]}…"
