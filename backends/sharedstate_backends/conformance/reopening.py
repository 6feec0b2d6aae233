# ruff: noqa: S101 (asserts are how a suite of cases speaks)
"""Cases for stores that keep their data: what survives `close` and another `open`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sharedstate_core.storage import Committed, Cursor, Write
from sharedstate_core.updates import Update

from .declaring import DeclaringCases, opened
from .model import Model, check_every_version, check_full, item_text, path, put, write_all
from .rules import Rule
from .stepping import Moment, each_moment
from .trial import Trial, seconds_of_a_commit

if TYPE_CHECKING:
    from .declaring import Reopen


class ReopenCases(DeclaringCases):
    """What survives the backend. These cases open and close backends themselves, and do not use `backend`."""

    async def test_all_is_there_again(self, reopening: Reopen) -> None:
        """Items, order, versions, epoch, tombstones: readers can resume from an earlier version."""
        models = {path("one"): Model(), path("two"): Model()}
        updates = (
            put("c", "a", "b"),
            put("d", "c", value="ключ", remove=["c"]),
            Update(remove=("a",)),
            put("b", value=2),
        )
        async with opened(reopening) as backend:
            for update in updates:
                for collection, model in models.items():
                    await write_all(backend, collection, update)
                    model.write(update)
            epochs = [(await backend.load(path("one"), None)).epoch]
        for turn in range(2):
            async with opened(reopening) as backend:
                heads = dict(await backend.heads([*models, path("none")]))
                epoch = heads[path("none")].epoch
                self._check_epoch(epoch, epochs)
                expected = {key: Cursor(epoch, model.version) for key, model in models.items()}
                assert heads == {**expected, path("none"): Cursor(epoch, 0)}, (
                    f"{Rule.KEEP}: heads are others after `close` and `open`"
                )
                names = list(await backend.collections("app"))
                assert names == ["one", "two"], f"{Rule.COLLECTIONS}: after `close` and `open`"
                for collection, model in models.items():
                    await check_every_version(backend, collection, model)
                    update = put("e", "a", value=turn, remove=["c", "e"])
                    result = await backend.commit(collection, [Write(update)])
                    assert result.epoch == epoch, f"{Rule.EPOCH}: it changed while open"
                    assert list(result.outcomes) == [Committed(model.write(update))], (
                        f"{Rule.COMMIT}: a commit after `close` and `open`"
                    )
                    await check_every_version(backend, collection, model)

    def _check_epoch(self, epoch: str, epochs: list[str]) -> None:
        if self.keeps_epoch:
            assert epoch == epochs[0], (
                f"{Rule.EPOCH}: another one after `close` and `open`; nothing was lost, and nobody can resume "
                "(a store that cannot tell whether it lost something sets `keeps_epoch = False`)"
            )
        else:
            assert epoch not in epochs, (
                f"{Rule.EPOCH}: `keeps_epoch` is False, but the epoch is as before"
            )
        epochs.append(epoch)

    async def test_cursors_after_reopening(self, reopening: Reopen) -> None:
        """A reader of a version gets the changes since, or everything if the epoch is new."""
        model = Model()
        async with opened(reopening) as backend:
            for update in (put("a", "b"), Update(remove=("a",)), put("c")):
                await write_all(backend, path(), update)
                model.write(update)
            before = (await backend.load(path(), None)).epoch
        async with opened(reopening) as backend:
            self._check_epoch((await backend.load(path(), None)).epoch, [before])
            loaded = await backend.load(path(), Cursor(before, 1))
            if self.keeps_epoch:
                assert loaded.base == 1, f"{Rule.LOAD}: what changed before `close` is not told"
            else:
                check_full(loaded, model)
            await check_every_version(backend, path(), model)

    async def test_what_a_reset_removed_stays_away(self, reopening: Reopen) -> None:
        """Its readers learn that it is gone, and an emptied collection continues its versions."""
        models = {path(): Model(), path("emptied"): Model(), path("removed"): Model()}
        resets = (
            Update(insert={"c": item_text("c")}, reset=True),
            Update(reset=True),
            Update(remove=("a", "b")),
        )
        async with opened(reopening) as backend:
            for (collection, model), reset in zip(models.items(), resets, strict=True):
                for update in (put("a", "b"), reset):
                    await write_all(backend, collection, update)
                    model.write(update)
        async with opened(reopening) as backend:
            for collection, model in models.items():
                await check_every_version(backend, collection, model)
                assert await write_all(backend, collection, put("a")) == model.write(put("a")), (
                    f"{Rule.EPOCH}: a collection that was emptied counts anew"
                )
                await check_every_version(backend, collection, model)

    async def test_cancelled_commits_after_reopening(self, reopening: Reopen) -> None:
        """What was returned after a cancelled commit, and what was written next, survives `close` and `open`."""
        trials: list[Trial] = []

        async def attempt(moment: Moment) -> bool:
            trial = Trial(path(f"number {len(trials)}"), moment)
            trials.append(trial)
            early = await trial.cut(backend)
            if len(trials) % 2:
                await trial.look(backend)
            await trial.write_on(backend)
            await trial.look(backend)
            return early

        async with opened(reopening) as backend:
            await each_moment(await seconds_of_a_commit(backend), attempt)
        for _ in range(2):
            async with opened(reopening) as backend:
                for trial in trials:
                    await trial.look_after_closing(backend)
                    await trial.look_back(backend)

    async def test_close_waits_for_cancelled_commits(self, reopening: Reopen) -> None:
        """After `close` nothing is half stored, and nothing is still under way."""
        trials: list[Trial] = []

        async def attempt(moment: Moment) -> bool:
            trial = Trial(path(f"number {len(trials)}"), moment)
            async with opened(reopening) as backend:
                for before in trials[-1:]:
                    await before.look_after_closing(backend)
                    await before.write_on(backend)
                    await before.look(backend)
                trials.append(trial)
                return await trial.cut(backend)

        async with opened(reopening) as backend:
            seconds = await seconds_of_a_commit(backend)
        await each_moment(seconds, attempt)
        async with opened(reopening) as backend:
            for trial in trials:
                await trial.look_after_closing(backend)
                await trial.look_back(backend)
