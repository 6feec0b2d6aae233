"""What a function in C goes over: all of its arguments, unless it is known that it does not."""

from __future__ import annotations

import builtins
import ctypes
import gc
import heapq
import math
from collections import Counter, OrderedDict, defaultdict, deque
from itertools import chain, islice, pairwise, repeat, zip_longest
from types import BuiltinFunctionType
from typing import Any, Final

from .work import BYTES_OF_A_UNIT

TEXTS: Final = (bytes, str, bytearray, memoryview)
VALUES: Final[type] = type({}.values())
VIEWS: Final[tuple[Any, ...]] = (type({}.keys()), VALUES, type({}.items()))
CONTAINERS: Final[tuple[Any, ...]] = (list, tuple, dict, set, frozenset, deque, *VIEWS)
SEARCHED: Final = (list, tuple, deque, VALUES, *TEXTS)
"""Types in which a value is looked for from the beginning."""

DICTS: Final = (dict, defaultdict, OrderedDict, Counter)
WALKING_TYPES: Final = frozenset(
    [list, tuple, set, frozenset, deque, bytes, bytearray, str, *DICTS]
)
"""Types whose constructors go over their arguments; other classes keep them as they are."""

LAZY_TYPES: Final = frozenset(
    [map, filter, zip, enumerate, reversed, islice, chain, pairwise, repeat, zip_longest]
)
"""Types that go over nothing before somebody goes over them."""

_CONSTANT: Final = """
    abs callable chr getattr hasattr hash id isinstance issubclass iter len next ord repr round setattr
"""
CONSTANT: Final = frozenset(
    [
        *(getattr(builtins, name) for name in _CONSTANT.split()),
        heapq.heappush,
        heapq.heappop,
        heapq.heapreplace,
        math.isfinite,
    ]
)
_CONSTANT_METHODS: Final = """
    add append appendleft cast close discard endswith get isascii items keys move_to_end popitem popleft
    release send startswith throw values
"""
CONSTANT_METHODS: Final = frozenset(_CONSTANT_METHODS.split())
"""By their names alone: no type that matters here has a slow one."""

ADDING_METHODS: Final = frozenset(["extend", "extendleft", "update"])
"""Methods that go over what they add, not over what is there."""


def size(value: Any) -> int:
    """Return the units that going over all of a value takes; an iterator's are counted as it is consumed."""
    if isinstance(value, TEXTS):
        return len(value) // BYTES_OF_A_UNIT
    if isinstance(value, CONTAINERS):
        return len(value) + dead_slots(value)
    return 0


def of_call(function: Any, args: tuple[Any, ...]) -> tuple[int, bool]:
    """Return the units of a call, and whether it consumes iterators and its result counts, too.

    A class that is written in Python, and whatever counts for itself, only takes its arguments.
    """
    if isinstance(function, type):
        if function in LAZY_TYPES:
            return sum(map(dead_slots, args)), False
        return (sum(map(size, args)), True) if function in WALKING_TYPES else (len(args), False)
    if not isinstance(function, BuiltinFunctionType):
        return len(args), False
    name, owner = function.__name__, function.__self__
    if name == "setdefault":
        return growth(owner, args[0]), False
    if function is iter:
        return sum(map(dead_slots, args)), False
    if function in CONSTANT or name in CONSTANT_METHODS or _takes_one(name, owner, args):
        return 0, False
    if function in {min, max} and len(args) > 1:
        return len(args), False
    own = 0 if name in ADDING_METHODS else size(owner)
    return own + sum(map(size, args)), True


def _takes_one(name: str, owner: object, args: tuple[Any, ...]) -> bool:
    """Return whether it is a method that takes one element out of a container, whatever its size."""
    if name == "pop":
        return not isinstance(owner, list | bytearray) or args in {(), (-1,)}
    return name == "remove" and isinstance(owner, set)


# --- dictionaries ---------------------------------------------------------------------------------


class _Dict(ctypes.Structure):
    """The head of a dictionary of CPython 3.11 to 3.13: at its end, its keys."""

    _fields_ = (("object", ctypes.c_ssize_t * 4), ("keys", ctypes.c_void_p))


class _Keys(ctypes.Structure):
    _fields_ = (
        ("head", ctypes.c_uint8 * 16),
        ("usable", ctypes.c_ssize_t),
        ("entries", ctypes.c_ssize_t),
    )


def dead_slots(value: object) -> int:
    """Return how many slots of a dictionary, or of one behind a view, have held what was removed.

    Whoever goes over it goes over these, too. A dictionary from which the oldest, or the newest, is removed again and
    again keeps them in front of what is left.
    """
    held = gc.get_referents(value)[0] if isinstance(value, VIEWS) else value
    if not isinstance(held, dict) or isinstance(held, OrderedDict):  # which is a linked list
        return 0
    keys = _Keys.from_address(_Dict.from_address(id(held)).keys)
    return max(0, int(keys.entries) - len(held))


ENTRIES_OF_A_UNIT: Final = 3
"""Entries that a dictionary moves in the time of one unit."""


def growth(value: object, key: object) -> int:
    """Return the units that a dictionary takes to make room for a key, if it has none: it moves all that it holds."""
    if not isinstance(value, dict) or key in value:
        return 0
    keys = _Keys.from_address(_Dict.from_address(id(value)).keys)
    return 0 if keys.usable > 0 else len(value) // ENTRIES_OF_A_UNIT
