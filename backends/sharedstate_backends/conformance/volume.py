# ruff: noqa: S101, S311 (asserts are how a suite of cases speaks; its histories need no secrecy)
"""Cases: many writes, many collections at once, and long random histories."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from sharedstate_core.storage import Committed, Write
from sharedstate_core.updates import Update

from .model import Model, check_every_version, check_full, item_text, path, put
from .rules import Rule
from .stepping import together

if TYPE_CHECKING:
    from sharedstate_backends.contract import Backend

COLLECTIONS = 40
"""Number of collections written to at once."""

ROUNDS = 5
"""Number of commits to each of them, one after the other."""

HISTORIES = 12
"""Number of random histories; each is a hundred writes in commits of one to eight."""


def random_update(source: random.Random, serial: int) -> Update:
    """Return an update of a few of nine ids; one in fifty is a reset, one in fifty a no-op."""
    ids = "abcdefghi"
    remove = tuple(dict.fromkeys(source.choices(ids, k=source.choice([0, 0, 0, 1, 2, 4]))))
    inserted = source.choices(ids, k=source.choice([0, 1, 1, 1, 2, 5]))
    if source.random() < 0.02:
        return Update()
    reset = source.random() < 0.02
    return Update(remove, {id: item_text(id, serial) for id in inserted}, reset)


class VolumeCases:
    """Many writes, many collections, long histories."""

    async def test_many_writes_in_one_commit(self, backend: Backend) -> None:
        """A commit may have hundreds of writes."""
        model = Model()
        updates = [put(f"id {number % 100}", value=number) for number in range(500)]
        result = await backend.commit(path(), [Write(update) for update in updates])
        expected = [Committed(model.write(update)) for update in updates]
        assert list(result.outcomes) == expected, f"{Rule.COMMIT}: 500 writes"
        check_full(await backend.load(path(), None), model)

    async def test_many_collections_at_once(self, backend: Backend) -> None:
        """Commits and loads of different collections run at once and do not mix."""
        models = {path(f"collection {number}"): Model() for number in range(COLLECTIONS)}

        async def work(number: int) -> None:
            collection = path(f"collection {number}")
            for turn in range(ROUNDS):
                update = put(f"id {turn % 3}", f"own {number}", value=[number, turn])
                result = await backend.commit(collection, [Write(update)])
                expected = [Committed(models[collection].write(update))]
                assert list(result.outcomes) == expected, f"{Rule.COMMIT}: collections at once"
                check_full(await backend.load(collection, None), models[collection])

        async with together() as tasks:
            for number in range(COLLECTIONS):
                tasks.start_soon(work, number)
        assert {
            key: head.version for key, head in (await backend.heads(list(models))).items()
        } == dict.fromkeys(models, ROUNDS), f"{Rule.HEADS}: of collections written to at once"

    async def test_random_histories(self, backend: Backend) -> None:
        """Full loads and loads since every earlier version agree with a naive model."""
        for seed in range(HISTORIES):
            source = random.Random(seed)
            collection = path(f"history {seed}")
            model = Model()
            while model.version < 100:
                count = source.randint(1, 8)
                updates = [random_update(source, model.version) for _ in range(count)]
                result = await backend.commit(collection, [Write(update) for update in updates])
                expected = [Committed(model.write(update)) for update in updates]
                assert list(result.outcomes) == expected, f"{Rule.COMMIT}: history {seed}"
            await check_every_version(backend, collection, model)
