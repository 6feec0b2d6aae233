"""Updates that wait for storage: the memory they take, of all connections together.

The rules:

1. An update counts from when its collection takes it in until storage has answered, or cannot be asked; also if its
   author has left meanwhile.
2. One that is put off until its author reads on counts as owed to the author instead (`outstanding`): so nobody who
   does not read keeps others from writing.
3. While as much waits as may, further updates are refused before they are looked at. So one update may exceed the
   bound.
"""

from __future__ import annotations

from .errors import RequestError


class Pending:
    """Counts the bytes; `most` is the bound."""

    __slots__ = ("bytes", "most")

    def __init__(self, most: int) -> None:
        self.bytes = 0
        self.most = most

    @property
    def refusal(self) -> RequestError:
        """What to say to one more update while there is no room for it."""
        text = f"{self.most} bytes of updates wait for storage, and no more may; try again later"
        return RequestError("unavailable", text)
