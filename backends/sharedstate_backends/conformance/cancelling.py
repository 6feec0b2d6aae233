# ruff: noqa: S101 (asserts are how a suite of cases speaks)
"""Cases: commits and reads whose callers are cancelled, and commits that are observed meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
import anyio.lowlevel
import pytest

from sharedstate_core.storage import Cursor

from .model import Model, check_full, path, write_all
from .rules import Rule
from .stepping import Moment, cancelled, each_moment, time_limit, together
from .trial import AFTER, UPDATES, Trial, neighbour_of, seconds_of_a_commit, writes

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any

    from sharedstate_backends.contract import Backend
    from sharedstate_core.storage import Loaded

LOOKS: Final = 3
"""Reads after a cancelled commit, one turn of the loop apart: it may still be under way."""

COMMITS: Final = 12
"""Commits that are observed meanwhile."""


class CancelCases:
    """A commit is atomic, whoever is cancelled or reads."""

    @pytest.mark.parametrize("company", ["none", "before it", "after it"])
    async def test_cancelled_commits(self, backend: Backend, company: str) -> None:
        """Whenever its caller is cancelled, a commit is stored whole or not at all, and the next one follows on.

        Nor does it affect commits to another collection that begin before or after it.
        """
        trials: list[Trial] = []

        async def attempt(moment: Moment) -> bool:
            trial = Trial(path(f"number {len(trials)}"), moment)
            trials.append(trial)
            if company == "none":
                early = await trial.cut(backend)
            else:
                early = await trial.cut_in_company(backend, first=company == "after it")
            for _ in range(LOOKS):
                await trial.look(backend)
                await anyio.lowlevel.checkpoint()
            await trial.write_on(backend)
            await trial.look(backend)
            return early

        await each_moment(await seconds_of_a_commit(backend), attempt)
        for trial in trials:
            await trial.look_back(backend)
            neighbour = await backend.load(neighbour_of(trial.collection), None)
            check_full(neighbour, trial.neighbour)

    async def test_cancelled_looks(self, backend: Backend) -> None:
        """Whenever the caller of `load`, `heads` or `collections` is cancelled, the next call works as usual."""
        model = Model()
        names = ["collection"]

        async def load() -> Loaded:
            return await backend.load(path(), None)

        async def heads() -> object:
            return await backend.heads([path()])

        async def collections() -> object:
            return await backend.collections("app")

        looks: Sequence[Callable[[], Coroutine[Any, Any, object]]] = (load, heads, collections)
        for look in looks:

            async def attempt(
                moment: Moment, look: Callable[[], Coroutine[Any, Any, object]] = look
            ) -> bool:
                ended = await cancelled(look(), moment)
                with time_limit(moment):
                    version = await write_all(backend, path(), AFTER)
                    assert version == model.write(AFTER), f"{Rule.COMMIT}: {moment}"
                    check_full(await load(), model)
                    head = Cursor((await load()).epoch, version)
                    assert await heads() == {path(): head}, f"{Rule.HEADS}: {moment}"
                    assert list(await backend.collections("app")) == names, f"{Rule.COLLECTIONS}"
                return ended.early

            began = anyio.current_time()
            await look()
            await each_moment(anyio.current_time() - began, attempt)

    async def test_looks_during_commits(self, backend: Backend) -> None:
        """`heads` and `collections` may be called at any time, and never show half a commit."""
        looks: list[tuple[int, list[str]]] = []
        count = len(UPDATES)

        async def look() -> None:
            while True:
                names = list(await backend.collections("app"))
                looks.append(((await backend.heads([path()]))[path()].version, names))
                await anyio.lowlevel.checkpoint()

        async with together() as tasks:
            tasks.start_soon(look)
            for number in range(COMMITS):
                await anyio.lowlevel.checkpoint()
                await backend.commit(path(), writes())
                version = (await backend.heads([path()]))[path()].version
                assert version == count * (number + 1), f"{Rule.HEADS}: not as acknowledged"
            tasks.cancel_scope.cancel()
        versions = [version for version, _ in looks]
        assert versions == sorted(versions), f"{Rule.KEEP}: a head went back"
        assert set(versions) <= set(range(0, count * COMMITS + 1, count)), (
            f"{Rule.MOMENT}: half a commit was told"
        )
        assert all(names in ([], ["collection"]) for _, names in looks), f"{Rule.COLLECTIONS}"
