"""The decision table for whether something may reach a reader now.

A reply is sent, or a request carried out, either *now* or *later*, once nothing is in its way.

The facts:

- `reader`: *ready*; *blocked*, if it cannot take anything now; or *closed*, if it was given up or has gone.
- `what`: a *reply*, which includes storage's outcome of an update; or a request, a *read* or an *update*.
- `behind`: whether something must come first: for a request, an earlier one that is deferred; for a reply, content
  that its author has not been shown yet.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from .table import Row, Table

Delivery: TypeAlias = Literal["now", "later", "never"]

DELIVERY: Final[Table[Delivery]] = Table(
    {
        "reader": ("ready", "blocked", "closed"),
        "what": ("reply", "read", "update"),
        "behind": (True, False),
    },
    [
        Row("never", "there is nobody to take it", {"reader": ("closed",)}),
        Row("later", "something must come first", {"behind": (True,)}),
        Row("now", "only its answer must wait", {"what": ("update",)}),
        Row("later", "its result would wait in memory", {"reader": ("blocked",)}),
        Row("now", "nothing is in its way", {}),
    ],
)
