"""Stores that are saved and restored in tests; on asyncio, as the commands do it."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from sharedstate_backends.conformance.model import path, put, write_all
from sharedstate_backends.items_service import get_service
from sharedstate_backends.portable import portable
from sharedstate_core.updates import Update

from .opening import opened

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sharedstate_backends.portable import Portable, Portion
    from sharedstate_core.storage import Loaded, Row

    Content = dict[tuple[str, str], tuple[int, int, dict[str, Row]]]

STRANGE = '{"id": "strange",\r\n\t"n": 1.10, "s": "\\u0000\\ud800 \\\\ \' é🗝️"}'
NAMES = ("todo", "Todo", "tödo", "a'b", "c\\d", "🗝️", " ", "x" * 128)


def store(config: Mapping[str, Any]) -> Portable:
    """Return what can be saved and restored."""
    found = portable(get_service(config))
    assert found is not None
    return found


async def fill(config: Mapping[str, Any]) -> None:
    """Write histories with everything in them that rows can tell of."""
    async with opened(get_service(config)) as backend:
        for number, name in enumerate(NAMES):
            await write_all(
                backend,
                path(name, app="app" if number % 2 else "ä"),
                put("b", "a", "é", "é ", "É", "x" * 255, value=1),
                put("c", remove=["b", "nobody"], value=2),
                put("b", "a", value=number),
                Update((), {"strange": STRANGE.encode(), "z": b'{"id":"z"}'}),
                put(remove=["z"]),
            )
        await write_all(backend, path("reset"), put("a"), Update(reset=True))
        await write_all(backend, path("large"), put(*map(str, range(1200)), value="y" * 2000))


async def saved(config: Mapping[str, Any]) -> list[Portion]:
    """Return what a dump yields."""
    async with aclosing(store(config).dump()) as portions:
        return [portion async for portion in portions]


def content(portions: Iterable[Portion]) -> Content:
    """Return version, horizon and rows of each collection."""
    found: Content = {}
    for (app, name, version, horizon), rows in portions:
        _, _, known = found.setdefault((app, name), (version, horizon, {}))
        assert not known.keys() & {row.id for row in rows}
        known |= {row.id: row for row in rows}
    return found


async def held(config: Mapping[str, Any]) -> Content:
    """Return what a store holds."""
    return content(await saved(config))


async def loaded(config: Mapping[str, Any], name: str, app: str = "app") -> Loaded:
    """Return a collection as a server loads it."""
    async with opened(get_service(config)) as backend:
        return await backend.load(path(name, app=app), None)
