"""Makes the random vectors, and lays out those written by hand: `python -m tests.vectors.make`."""

from __future__ import annotations

from typing import Any, Final

from sharedstate_core import Limits

from .layout import FOLDER, load, paths, save
from .stories import Plot, Story

_USUAL: Final[dict[str, float]] = {
    "acquire": 1.0,
    "release": 0.15,
    "update": 1.0,
    "get": 0.2,
    "write": 2.5,
    "write_elsewhere": 0.3,
    "carry": 6.0,
    "cut": 0.2,
    "connect": 2.0,
    "block": 0.2,
    "drain": 0.6,
    "lose": 0.0,
    "start_anew": 0.0,
}
_MANY_CUTS: Final = _USUAL | {"cut": 1.0}
_SLOW: Final = _USUAL | {"block": 2.0, "drain": 0.6, "write": 4.0}
_SMALL_PARTS: Final = Limits(part_bytes=60)

_VIEWS: Final[tuple[dict[str, Any], ...]] = (
    {"view": "some", "where": {"id": {"in": ["a", "c", "10", "é"]}}},
    {"view": "plain", "where": {"v": {"in": [0, 1.5, "x", None]}, "not": {"id": "2"}}},
    {"view": "last", "last": 2},
    {"view": "newest", "where": {"or": [{"v": True}, {"v": "x"}]}, "last": 1, "fields": ["v"]},
)

PLOTS: Final = {
    "random-calm": Plot("a long connection, two writers", 1, _USUAL | {"cut": 0.05}),
    "random-cuts": Plot("many short connections", 2, _MANY_CUTS),
    "random-offline": Plot(
        "long spells offline, in which much is asked", 3, _MANY_CUTS | {"connect": 0.4}
    ),
    "random-slow": Plot("a slow reader: net changes instead of each change", 4, _SLOW),
    "random-slow-cuts": Plot("a slow reader who is cut off", 5, _SLOW | {"cut": 0.8}),
    "random-parts": Plot(
        "snapshots in parts", 6, _MANY_CUTS | {"release": 0.8}, limits=_SMALL_PARTS
    ),
    "random-gaps": Plot(
        "notifications get lost", 7, _USUAL | {"lose": 2.0, "release": 0.02, "cut": 0.1}
    ),
    "random-gaps-parts": Plot(
        "notifications and parts of snapshots get lost",
        8,
        _USUAL | {"lose": 2.0, "release": 0.3},
        limits=_SMALL_PARTS,
    ),
    "random-epochs": Plot(
        "the storage is lost, again and again", 9, _MANY_CUTS | {"start_anew": 0.8}
    ),
    "random-everything": Plot(
        "everything at once",
        10,
        _SLOW | {"cut": 0.6, "lose": 0.6, "start_anew": 0.5, "release": 0.4},
        limits=_SMALL_PARTS,
    ),
    "random-views": Plot(
        "parts of collections, and all of them",
        13,
        _SLOW | {"acquire": 3.0, "release": 0.6, "cut": 0.6, "get_part": 0.5},
        limits=_SMALL_PARTS,
        views=_VIEWS,
    ),
    "random-level-1": Plot("a server of level 1", 11, _MANY_CUTS, level=1),
}


def record(name: str) -> dict[str, Any]:
    """Return a random vector."""
    plot = PLOTS[name]
    return {"about": f"random, seed {plot.seed}: {plot.about}", "steps": Story(plot).tell()}


def main() -> None:
    """Write all files."""
    for name in PLOTS:
        save(FOLDER / f"{name}.json", record(name))
    for path in paths():
        save(path, load(path))


if __name__ == "__main__":
    main()
