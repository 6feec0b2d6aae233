"""Random histories in SQLite, found by hypothesis: small bounds, conditions, restarts and a second process's view."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sharedstate_backends.conformance.model import (
    Model,
    check_every_version,
    item_text,
    path,
)
from sharedstate_core.storage import Committed, Condition, Cursor, Outcome, Write, condition_holds
from sharedstate_core.updates import Update
from tests.backends.opening import opened, sqlite

IDS = st.sampled_from("abcdefg")
VALUES = st.integers(0, 3)

UPDATES = st.builds(
    lambda remove, insert, reset: Update(
        tuple(remove), {id: item_text(id, value) for id, value in insert}, reset
    ),
    st.lists(IDS, max_size=4, unique=True),
    st.lists(st.tuples(IDS, VALUES), max_size=4),
    st.sampled_from([False] * 9 + [True]),
)
CONDITIONS = st.none() | st.tuples(st.integers(0, 9), st.none() | st.lists(IDS, max_size=3))
"""None, or: so many versions before the current one, and the ids."""

COMMITS = st.lists(
    st.lists(st.tuples(UPDATES, CONDITIONS), min_size=1, max_size=5), min_size=1, max_size=12
)


@given(commits=COMMITS, max_tombstones=st.sampled_from([0, 1, 3, 10_000]), restart=st.booleans())
@settings(max_examples=settings().max_examples // 3, deadline=None)
async def test_histories(
    commits: list[list[tuple[Update, tuple[int, list[str] | None] | None]]],
    max_tombstones: int,
    restart: bool,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        name = str(Path(folder) / "items.db")
        store = sqlite(name, max_tombstones=max_tombstones)
        other = sqlite(name, max_tombstones=max_tombstones)
        model = Model()
        async with opened(other):
            await store.open()
            for number, commit in enumerate(commits):
                loaded = await store.load(path(), None)
                writer = other if number % 3 == 2 else store
                writes = [
                    Write(update, _condition(condition, loaded.epoch, model.version))
                    for update, condition in commit
                ]
                outcomes = (await writer.commit(path(), writes)).outcomes
                _check(outcomes, writes, model, loaded.epoch, loaded.horizon)
                if restart and number % 4 == 3:
                    await store.close()
                    store = sqlite(name, max_tombstones=max_tombstones)
                    await store.open()
                tombstones = [r for r in (await store.load(path(), None)).rows if r.text is None]
                assert len(tombstones) <= max_tombstones + max_tombstones // 10
            await check_every_version(store, path(), model)
            await store.close()


def _condition(
    drawn: tuple[int, list[str] | None] | None, epoch: str, version: int
) -> Condition | None:
    if drawn is None:
        return None
    back, ids = drawn
    return Condition(Cursor(epoch, max(0, version - back)), None if ids is None else tuple(ids))


def _check(outcomes: object, writes: list[Write], model: Model, epoch: str, horizon: int) -> None:
    """Check outcomes against what the model says of each condition, in order."""
    assert isinstance(outcomes, list)
    for write, outcome in zip(writes, outcomes, strict=True):
        ids = (write.condition and write.condition.ids) or ()
        horizon = max(horizon, model.last_reset)
        holds = condition_holds(
            write.condition,
            epoch=epoch,
            version=model.version,
            horizon=horizon,
            versions=[model.touched.get(id, 0) for id in ids],
        )
        told: Outcome = outcome
        assert isinstance(told, Committed) == holds
        assert told.version == (model.write(write.update) if holds else model.version)
