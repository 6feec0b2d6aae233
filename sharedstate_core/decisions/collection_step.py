"""The decision table for what a `Collection` does next while it has no storage operation under way.

The facts:

- `content`: what is in memory is *current*, or *outdated* if storage is known to hold something else. Without content
  it is *missing* if it is needed, by a subscriber or by the request at the head of the queue (a read, or an update
  where the size of collections is bounded, or whose author may make it only if what is stored allows it), else *none*.
- `watched`: whether there are subscribers.
- `asked`: the kind of the request at the head of the queue.
- `retrying`: whether a load has failed and waits to be retried.
- `probe`: whether a subscriber claims to have seen more, and storage should be probed for it.
- `unencoded`: whether somebody, a subscriber or the read at the head of the queue, waits for so much that it is encoded
  by turns, and that has not been done.
- `just_loaded`: whether no request has been served since the last load: loads and requests take turns.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from .table import Row, Table

Content: TypeAlias = Literal["none", "missing", "current", "outdated"]
Asked: TypeAlias = Literal["nothing", "read", "update"]
Step: TypeAlias = Literal["forget", "refuse", "load", "probe", "encode", "answer", "commit", "rest"]

YES: Final = (True,)
NO: Final = (False,)

COLLECTION_STEP: Final[Table[Step]] = Table(
    {
        "content": ("none", "missing", "current", "outdated"),
        "watched": (True, False),
        "asked": ("nothing", "read", "update"),
        "retrying": (True, False),
        "probe": (True, False),
        "just_loaded": (True, False),
        "unencoded": (True, False),
    },
    [
        Row(
            "encode",
            "it has already waited for a load",
            {"content": ("outdated",), "just_loaded": YES, "unencoded": YES},
        ),
        Row(
            "answer",
            "it has already waited for a load",
            {"content": ("outdated",), "asked": ("read",), "just_loaded": YES},
        ),
        Row("forget", "nobody needs it", {"content": ("outdated",), "watched": NO}),
        Row(
            "refuse",
            "storage could not be read; a retry is scheduled",
            {"content": ("missing", "outdated"), "retrying": YES},
        ),
        Row(
            "commit",
            "it has already waited for a load",
            {"content": ("outdated",), "asked": ("update",), "just_loaded": YES},
        ),
        Row("load", "the content is needed", {"content": ("missing", "outdated")}),
        Row("encode", "it takes turns", {"unencoded": YES}),
        Row("probe", "it is its turn", {"probe": YES, "just_loaded": NO}),
        Row("probe", "nothing else waits", {"probe": YES, "asked": ("nothing",)}),
        Row("answer", "the content is current", {"asked": ("read",)}),
        Row("commit", "storage decides, with or without content", {"asked": ("update",)}),
        Row("rest", "nothing to do", {}),
    ],
)
