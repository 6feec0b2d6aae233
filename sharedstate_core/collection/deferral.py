"""Whether something may reach a reader now.

A reply is sent, and a request is carried out, *now*; or *later*, when nothing is in its way any more.

The facts:

- `reader`: it is *ready*; *blocked*, it cannot take anything now; or *closed*: given up, or gone.
- `what`: a *reply*, what storage said to an update among them; or a request, a *read* or an *update*.
- `behind`: whether something comes before it: for a request an earlier one that is put off; for a reply content that
  its author is still to be shown.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from sharedstate_core.decisions import Row, Table

Deferral: TypeAlias = Literal["now", "later", "never"]

DEFERRAL: Final[Table[Deferral]] = Table(
    {
        "reader": ("ready", "blocked", "closed"),
        "what": ("reply", "read", "update"),
        "behind": (True, False),
    },
    [
        Row("never", "nobody takes it", {"reader": ("closed",)}),
        Row("later", "in the order they came", {"behind": (True,)}),
        Row("now", "its answer waits", {"what": ("update",)}),
        Row("later", "it would wait in memory", {"reader": ("blocked",)}),
        Row("now", "nothing is in its way", {}),
    ],
)
