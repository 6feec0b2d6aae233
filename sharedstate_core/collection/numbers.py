"""Updates that have a number, so that they may be sent again: see `sharedstate_core.receipts`.

1. What is refused before storage is asked is remembered until a later update of the session is stored: only then does
   it matter, and storage is told with that one. If it is forgotten before, the update stays refused, as a conflict.
2. An update that is sent again may have been stored. So storage is asked in any case: what it is to be refused with
   goes along. If storage cannot be asked, the outcome is unknown.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from sharedstate_core.paths import CollectionPath

if TYPE_CHECKING:
    from sharedstate_core.errors import ErrorCode
    from sharedstate_core.storage import Operation

SESSIONS: Final = 1_000
"""Maximum number of sessions and collections of which refusals are remembered: the last ones."""

CODES: Final = 256
"""Maximum number of refusals that are remembered of each: the last ones, of which a receipt keeps as many."""


class Refusals:
    """The codes of numbered updates that were refused since the last one of their session was stored."""

    def __init__(self) -> None:
        self._of: OrderedDict[tuple[CollectionPath, str], dict[int, ErrorCode]] = OrderedDict()

    def note(self, path: CollectionPath, op: Operation, code: ErrorCode) -> None:
        """Remember that an update was refused."""
        key = path, op.session
        codes = self._of.setdefault(key, {})
        self._of.move_to_end(key)
        codes.pop(op.number, None)
        codes[op.number] = code
        if len(codes) > CODES:
            del codes[next(iter(codes))]
        if len(self._of) > SESSIONS:
            self._of.popitem(last=False)

    def before(self, path: CollectionPath, op: Operation) -> tuple[tuple[int, ErrorCode], ...]:
        """Return what is to be stored with an update: numbers and codes of earlier ones."""
        codes = self._of.get((path, op.session))
        if not codes:
            return ()
        return tuple((number, code) for number, code in codes.items() if number < op.number)

    def stored(self, path: CollectionPath, op: Operation) -> None:
        """Forget what is stored now, with an update or before."""
        codes = self._of.get((path, op.session))
        if codes:
            left = {number: code for number, code in codes.items() if number > op.number}
            if left:
                self._of[path, op.session] = left
            else:
                del self._of[path, op.session]


class Numbered(Struct):
    """What a waiting update with a number has beside it.

    Attributes:
        path: the collection.
        refusals: where its refusal is remembered.
        again: whether it may have been sent before.
    """

    path: CollectionPath
    refusals: Refusals
    again: bool = False
