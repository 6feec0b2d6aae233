"""Messages to peers: short ones are one text, long ones are *spliced* from pieces that they share with others.

The same items go to every reader of a collection, whatever its spelling of the path and whatever its request; only the
envelope differs. So the text of many items exists once, however many messages contain it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SPLICED_BYTES: Final = 64 * 1024
"""Size from which a copy costs more than handling several pieces."""

PIECE_BYTES: Final = 128 * 1024
"""Size of the pieces of a long text of items, unless a single item is longer."""


class Items(Struct, frozen=True, eq=False):
    """A JSON array of items, or of ids or names, in pieces.

    Attributes:
        pieces: the text, to be joined; the same objects in every message that contains it.
        size: total bytes of the pieces.
        borrowed: of these, bytes of long items, which are pieces themselves.
    """

    pieces: tuple[bytes, ...]
    size: int
    borrowed: int = 0

    def __bytes__(self) -> bytes:
        return self.pieces[0] if len(self.pieces) == 1 else b"".join(self.pieces)

    def __len__(self) -> int:
        return self.size


class Seen(Struct, frozen=True, eq=False):
    """What is seen of a collection, in order.

    Attributes:
        items: the items.
        at: the place of each in the order.
        more: whether there are older ones, which are left out.
    """

    items: Items
    at: Items
    more: bool


class Spliced(Struct, frozen=True, eq=False):
    """A long message in pieces, to be sent one after another; `bytes(message)` joins them.

    Attributes:
        pieces: the text in UTF-8; a character may be divided.
        size: total bytes of the pieces.
    """

    pieces: tuple[bytes, ...]
    size: int

    def __bytes__(self) -> bytes:
        return b"".join(self.pieces)

    def __len__(self) -> int:
        return self.size


Message: TypeAlias = bytes | Spliced
"""One text message, in UTF-8: `len` is its size, `bytes` its text."""


def splice(*texts: bytes | Items) -> Message:
    """Return the message that consists of these, one after another; long arrays are not copied."""
    pieces: list[bytes] = []
    short: list[bytes] = []
    for text in texts:
        if isinstance(text, bytes):
            short.append(text)
        elif text.size < SPLICED_BYTES:
            short += text.pieces
        else:
            pieces += (b"".join(short), *text.pieces)
            short = []
    rest = b"".join(short)
    return Spliced((*pieces, rest), sum(map(len, texts))) if pieces else rest


def pieces_of(messages: Iterable[Message]) -> Iterator[bytes]:
    """Yield what keeps memory occupied while these messages are kept."""
    for message in messages:
        if isinstance(message, Spliced):
            yield from message.pieces
        else:
            yield message
