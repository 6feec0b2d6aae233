"""Random patches over few members, and states that hold items of many shapes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from sharedstate_core import Patch, Update
from sharedstate_core.patches.patch import PatchFault, check_patch

from .histories import IDS

if TYPE_CHECKING:
    from collections.abc import Mapping

MEMBERS = st.sampled_from(["a", "b", "c", "/o/a", "/o/b", "/o/p/a"])
NUMBERS = st.sampled_from(
    [b"1", b"-1", b"1.0", b"0.1", b"9007199254740993", b"1e308", b"12345678901234567890123456789"]
)
SCALARS = st.one_of(NUMBERS, st.sampled_from([b"null", b"true", b'"a"', b'"\\u0061"', b"1.10"]))
LISTS = st.lists(SCALARS, max_size=3).map(lambda values: b"[%b]" % b",".join(values))
VALUES = st.one_of(SCALARS, LISTS, st.sampled_from([b"{}", b'{"a":1}', b'{"p":{"a":[1]},"a":2}']))


def is_well_formed(patch: Patch) -> bool:
    try:
        check_patch(patch)
    except PatchFault:
        return False
    return True


PATCHES = st.builds(
    lambda id, set_, unset, inc, add, pull, upsert: Patch(
        id, set_, tuple(unset), inc, (), add, pull, upsert
    ),
    IDS,
    st.dictionaries(MEMBERS, VALUES, max_size=2),
    st.lists(MEMBERS, max_size=1),
    st.dictionaries(MEMBERS, NUMBERS, max_size=1),
    st.dictionaries(MEMBERS, LISTS, max_size=1),
    st.dictionaries(MEMBERS, LISTS, max_size=1),
    st.booleans(),
).filter(is_well_formed)


def text_of(id: str, members: Mapping[str, bytes]) -> bytes:
    named = {"id": json.dumps(id).encode(), **members}
    return b"{%b}" % b",".join(
        json.dumps(name).encode() + b":" + text for name, text in named.items()
    )


ITEMS = st.tuples(
    IDS, st.dictionaries(st.sampled_from(["a", "b", "c", "o"]), VALUES, max_size=4)
).map(lambda drawn: (drawn[0], text_of(*drawn)))
ITEM_STATES = st.lists(ITEMS, max_size=5).map(dict)
PATCHING_UPDATES = st.builds(
    lambda remove, insert, reset, patch: Update(
        tuple(dict.fromkeys(remove)), dict(insert), reset, tuple(patch)
    ),
    st.lists(IDS, max_size=2),
    st.lists(ITEMS, max_size=3),
    st.sampled_from([False] * 9 + [True]),
    st.lists(PATCHES, max_size=4),
)
