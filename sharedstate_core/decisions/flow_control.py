"""The decision table for whether to read more from a connection.

The facts:

- `reader`: *ready*; *blocked*, if it cannot take anything now; or *closed*, if it was given up or has gone.
- `paused`: whether the transport was asked to pause reading.
- `owed`: whether something waits until the reader can take it.
- `unanswered`: the number and bytes of unanswered requests: *many* is more than half of what is allowed, or any at all
  while it is not known whose connection it is; *few* no more than a quarter.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from .table import Row, Table

Reading: TypeAlias = Literal["pause", "resume", "as it is"]
Unanswered: TypeAlias = Literal["few", "some", "many"]

FLOW_CONTROL: Final[Table[Reading]] = Table(
    {
        "reader": ("ready", "blocked", "closed"),
        "paused": (True, False),
        "owed": (True, False),
        "unanswered": ("few", "some", "many"),
    },
    [
        Row("as it is", "the connection is ending", {"reader": ("closed",)}),
        Row(
            "pause",
            "no more requests from a reader that does not read",
            {"reader": ("blocked",), "paused": (False,)},
        ),
        Row("pause", "enough are unanswered", {"unanswered": ("many",), "paused": (False,)}),
        Row("as it is", "it has not caught up", {"reader": ("blocked",)}),
        Row("as it is", "what it is owed comes first", {"owed": (True,)}),
        Row(
            "resume",
            "it has caught up; few are unanswered",
            {"unanswered": ("few",), "paused": (True,)},
        ),
        Row("as it is", "neither few nor many", {}),
    ],
)
