"""The suite fails where a store breaks the contract, and says which rule: a journal with one breach each.

A line of the table: what is wrong, with which store, the case that must fail, and the rule which that must name;
one of several where it is a matter of moments which of them is found first.
"""

from __future__ import annotations

import inspect
import itertools
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

import anyio
import pytest
from msgspec.structs import replace

from sharedstate_backends.conformance import (
    BackendConformance,
    cursors,
    item_text,
    path,
    stepping,
)
from sharedstate_backends.conformance.checked import Checked
from sharedstate_backends.conformance.declaring import DeclaringCases
from sharedstate_backends.conformance.rules import Rule
from sharedstate_core import Cursor, Update, Write
from tests.backends.opening import copying, opened

from .breaches import (
    conditions,
    forgetting,
    keeping,
    looking,
    none,
    patching,
    reading,
    receipts,
    reopening,
    writing,
)
from .dictionary_backend import DictionaryBackend
from .journal_backend import JournalBackend

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sharedstate_backends import Backend
    from sharedstate_backends.conformance.declaring import Reopen

    Store = type[JournalBackend]

BREACHES: Final[list[tuple[str, Store, str, Rule | tuple[Rule, ...]]]] = [
    # Rule 1
    ("last write first", writing.LastFirst, "batch_in_one_commit", Rule.COMMIT),
    ("one version a commit", writing.OneVersionACommit, "batch_in_one_commit", Rule.COMMIT),
    ("no-ops count", writing.NoopsCount, "noop", Rule.COMMIT),
    ("a version an item", writing.AVersionForEachItem, "large_update", Rule.COMMIT),
    ("resets count anew", writing.ResetsCountAnew, "insert_replace_remove_reset", Rule.COMMIT),
    ("resets keep the rest", writing.ResetsKeepTheRest, "insert_replace_remove_reset", Rule.COMMIT),
    ("inserts, then removes", writing.RemovesLast, "insert_replace_remove_reset", Rule.COMMIT),
    ("removing nothing is nothing", writing.RemovingNothingIsNothing, "removing_what_is_absent", Rule.COMMIT),
    ("a hundred writes at the most", writing.OnlyTheFirstHundred, "many_writes_in_one_commit", Rule.KEEP),
    ("one rejects all", conditions.OneRejectsAll, "conflict_leaves_its_neighbours", Rule.CONDITION),
    ("one rejects the rest", conditions.OneRejectsTheRest, "conflict_leaves_its_neighbours", Rule.CONDITION),
    ("rejected writes count", conditions.RejectedWritesCount, "whole_collection", Rule.CONDITION),
    ("rejected writes remove", conditions.RejectedWritesRemove, "rejected_write_leaves_nothing", Rule.CONDITION),
    ("rejected writes insert", conditions.RejectedWritesInsert, "rejected_write_leaves_nothing", Rule.CONDITION),
    ("rejected writes make collections", conditions.RejectedWritesMakeThem, "first_write_refused", Rule.CONDITION),
    ("conditions see the start", conditions.ConditionsSeeTheStart, "conditions_within_a_commit", Rule.CONDITION),
    ("conditions are ignored", conditions.Judging, "whole_collection", Rule.CONDITION),
    ("ids are ignored", conditions.IdsAreIgnored, "ids", Rule.CONDITION),
    ("removals are no change", conditions.RemovalsAreNoChange, "removed_ids", Rule.CONDITION),
    ("any epoch holds", conditions.AnyEpochHolds, "another_epoch_or_the_future", Rule.CONDITION),
    ("the future holds", conditions.TheFutureHolds, "another_epoch_or_the_future", Rule.CONDITION),
    ("resets are no change", conditions.TheHorizonIsIgnored, "reset_ids", Rule.CONDITION),
    ("forgotten ids hold", conditions.TheHorizonIsIgnored, "conditions_before_the_horizon", Rule.CONDITION),
    ("500 ids of a condition", conditions.OnlySomeIds, "many_ids", Rule.CONDITION),
    ("no-ops are not asked", conditions.NoopsAreNotAsked, "conditional_noop", Rule.CONDITION),
    ("rejects at version 0", conditions.RejectsWithoutVersion, "conflict_leaves_its_neighbours", Rule.CONDITION),
    ("patches see the start", patching.PatchesSeeTheStart, "chains_of_increments", Rule.PATCH),
    ("misfits are left out", patching.MisfitsAreLeftOut, "what_does_not_fit_is_rejected_alone", Rule.PATCH),
    ("misfits without place", patching.MisfitsWithoutPlace, "a_first_write_that_does_not_fit", Rule.PATCH),
    ("patched items are written anew", patching.PatchedItemsAreWrittenAnew, "texts_of_patched_items", Rule.TEXTS),
    ("numbers are ignored", receipts.NumbersAreIgnored, "sent_again", Rule.RECEIPT),
    ("refusals are ignored", receipts.RefusalsAreIgnored, "refused_unless_it_was_stored", Rule.RECEIPT),
    ("duplicates are not told", receipts.DuplicatesAreNotTold, "sent_again", Rule.RECEIPT),
    ("one receipt for all sessions", receipts.OneReceiptForAllSessions, "sessions_and_collections", Rule.RECEIPT),
    ("one receipt for all collections", receipts.OneReceiptForAllCollections, "sessions_and_collections", Rule.RECEIPT),
    ("receipts in memory only", receipts.ReceiptsAreInMemoryOnly, "receipts_after_reopening", Rule.RECEIPT),
    ("codes are forgotten", receipts.CodesAreForgotten, "what_was_refused", Rule.RECEIPT),
    ("only the last number", receipts.OnlyTheLastNumber, "sessions_and_collections", Rule.RECEIPT),
    ("resets forget receipts", receipts.ResetsForgetReceipts, "resets_keep_receipts", Rule.RECEIPT),
    ("conditions come first", receipts.ConditionsComeFirst, "conditions_of_duplicates", Rule.RECEIPT),
    ("receipts are never forgotten", receipts.NeverForgets, "forgotten_receipts", Rule.RECEIPT),
    ("collections go with receipts", receipts.ForgetsThem, "forgotten_receipts_keep_a_collection", Rule.RECEIPT),
    # Rule 2
    ("only in memory", reopening.OnlyInMemory, "all_is_there_again", Rule.KEEP),
    ("one line behind", reopening.OneLineBehind, "all_is_there_again", Rule.KEEP),
    ("what a reset removed comes back", reopening.RowsComeBack, "what_a_reset_removed_stays_away", Rule.COMMIT),
    ("emptied collections are forgotten", reopening.EmptiedAreForgotten, "what_a_reset_removed_stays_away", Rule.KEEP),
    ("taken back", keeping.TakenBack, "cancelled_commits", Rule.KEEP),
    ("memory before the line", keeping.MemoryBeforeLine, "cancelled_commits_after_reopening", Rule.EPOCH),
    ("cancellation swallowed", keeping.SwallowsCancellation, "cancelled_commits", Rule.KEEP),
    # Rule 3
    ("one by one", keeping.OneByOne, "cancelled_commits", Rule.MOMENT),
    ("one by one, shielded", keeping.OneByOneShielded, "looks_during_commits", Rule.MOMENT),
    ("half if the caller leaves", keeping.LeavingHalf, "cancelled_commits", Rule.MOMENT),
    ("half on the disk", keeping.LinesOfACommit, "close_waits_for_cancelled_commits", Rule.MOMENT),
    ("heads of half a commit", looking.HeadsOfHalfACommit, "looks_during_commits", Rule.MOMENT),
    ("version and rows of two moments", keeping.LoadsTwoMoments, "cancelled_commits", (Rule.MOMENT, Rule.EPOCH)),
    ("a load that changes", reading.LiveRows, "a_load_stays_as_it_was", Rule.MOMENT),
    # Rule 4
    ("replaced items move", reading.ReplacedItemsMove, "order_of_insertion", Rule.ORDER),
    ("items come back where they were", reading.ReturningItemsStay, "order_of_insertion", Rule.ORDER),
    ("places by name", reading.PlacesByName, "order_within_an_update", Rule.ORDER),
    ("places of one byte", reading.PlacesOfOneByte, "order_within_an_update", Rule.ORDER),
    ("no places", reading.NoPlaces, "order_of_insertion", Rule.ORDER),
    ("sorted when opened", reopening.SortedWhenOpened, "all_is_there_again", Rule.ORDER),
    ("created when touched", reopening.CreatedWhenTouched, "all_is_there_again", Rule.ORDER),
    # Rule 5
    ("one epoch", reading.OneEpoch, "another_store_has_another_epoch", Rule.EPOCH),
    ("no epoch", reading.NoEpoch, "nothing_written", Rule.EPOCH),
    ("epoch of the file", reading.EpochOfTheFile, "wiped_data", Rule.EPOCH),
    ("epoch anew", none.EpochAnew, "all_is_there_again", Rule.EPOCH),
    ("epoch of the collection", reading.EpochOfTheCollection, "one_epoch", Rule.EPOCH),
    ("commits name another epoch", reading.CommitsNameAnother, "one_epoch", Rule.EPOCH),
    ("counts anew when empty", reading.CountsAnewWhenEmpty, "versions_rise_by_one", Rule.KEEP),
    ("between line and memory", keeping.BetweenLineAndMemory, "cancelled_commits_after_reopening", Rule.EPOCH),
    ("the thread goes on", keeping.TheThreadGoesOn, "cancelled_commits_after_reopening", (Rule.EPOCH, Rule.MOMENT)),
    ("two jobs of a thread", keeping.TwoJobs, "cancelled_commits_after_reopening", (Rule.EPOCH, Rule.MOMENT)),
    ("versions given twice", reopening.LocksNothing, "two_backends_at_once", Rule.EPOCH),
    ("data that goes back is not noticed", reopening.DoesNotNotice, "data_that_goes_back", Rule.EPOCH),
    # Rule 6
    ("the lock is kept", keeping.KeepsTheLock, "cancelled_commits", Rule.CANCEL),
    ("a lock is kept by a load", keeping.LoadsKeepALock, "cancelled_looks", Rule.CANCEL),
    ("cancellation is an error", keeping.CancellationIsAnError, "cancelled_commits", Rule.CANCEL),
    ("goes round", keeping.GoesRound, "cancelled_commits", Rule.CANCEL),
    ("fails its neighbours", keeping.FailsItsNeighbours, "cancelled_commits", Rule.CANCEL),
    ("ends after close", keeping.EndsAfterClose, "close_waits_for_cancelled_commits", Rule.CANCEL),
    # `load`
    ("the horizon is too late", reading.TheHorizonIsTooLate, "since_now", Rule.LOAD),
    ("the future is known", reading.TheFutureIsKnown, "since_the_future", Rule.LOAD),
    ("epochs without case", reading.EpochsWithoutCase, "since_another_epoch", Rule.LOAD),
    ("removals are not told", reading.RemovalsAreNotTold, "insert_replace_remove_reset", Rule.LOAD),
    ("tombstones are not loaded", reading.TombstonesAreNotLoaded, "insert_replace_remove_reset", Rule.LOAD),
    ("tombstones are not kept", reopening.TombstonesAreNotKept, "all_is_there_again", Rule.LOAD),
    ("too many rows", reading.TooManyRows, "insert_replace_remove_reset", Rule.LOAD),
    ("all rows with a base", reading.AllRowsWithABase, "since_now", Rule.LOAD),
    ("horizon 0 after a reset", reading.HorizonOfNothing, "since_and_horizon_after_resets", Rule.LOAD),
    ("forgets without horizon", reading.ForgetsWithoutHorizon, "forgotten_tombstones", Rule.LOAD),
    ("horizon ahead", reading.HorizonAhead, "insert_replace_remove_reset", Rule.LOAD),
    ("two rows an id", reading.TwoRowsAnId, "insert_replace_remove_reset", Rule.LOAD),
    ("tombstones have a place", reading.TombstonesHaveAPlace, "insert_replace_remove_reset", Rule.LOAD),
    ("version of creation", reading.VersionOfCreation, "insert_replace_remove_reset", Rule.LOAD),
    # `heads` and `collections`
    ("heads lag", looking.HeadsLag, "versions_rise_by_one", Rule.HEADS),
    ("heads of a moment", looking.HeadsOfAMoment, "looks_during_commits", Rule.HEADS),
    ("heads of the written", looking.HeadsOfTheWritten, "heads", Rule.HEADS),
    ("heads of 500", looking.HeadsOfSome, "heads_of_many", Rule.HEADS),
    ("reads when opened", reopening.ReadsWhenOpened, "two_backends_at_once", Rule.HEADS),
    ("listed as made", looking.ListedAsMade, "collections", Rule.COLLECTIONS),
    ("listed without case", looking.ListedWithoutCase, "collections", Rule.COLLECTIONS),
    ("listed as UTF-16", looking.ListedAsUtf16, "collections", Rule.COLLECTIONS),
    ("listed of all apps", looking.ListedOfAllApps, "collections", Rule.COLLECTIONS),
    ("emptied are listed", looking.EmptiedAreListed, "collections", Rule.COLLECTIONS),
    # `apps` and `prune`
    ("apps as made", forgetting.AppsAsMade, "apps", Rule.APPS),
    ("apps that were", forgetting.AppsThatWere, "apps", Rule.APPS),
    ("pages from the name", looking.PagesFromTheName, "pages", Rule.PAGES),
    ("pages of the first", looking.PagesOfTheFirst, "pages", Rule.PAGES),
    ("pages after names that are there", looking.PagesAfterNamesThatAreThere, "pages", Rule.PAGES),
    ("pages without limit", looking.PagesWithoutLimit, "pages", Rule.PAGES),
    ("pages as UTF-16", looking.PagesAsUtf16, "pages", Rule.PAGES),
    ("counts anew", forgetting.CountsAnew, "forgotten_collections", Rule.PRUNE),
    ("goes on after the last one", forgetting.GoesOnAfterTheLastOne, "versions_of_what_was_forgotten", Rule.PRUNE),
    ("says that it knew", forgetting.ForgetsWhatItKnew, "forgotten_collections", Rule.PRUNE),
    ("forgets what holds little", forgetting.ForgetsWhatHoldsLittle, "what_is_not_forgotten", Rule.PRUNE),
    ("forgets what is used", forgetting.ForgetsWhatIsUsed, "what_is_not_forgotten", Rule.PRUNE),
    ("is never done", forgetting.IsNeverDone, "what_is_not_forgotten", Rule.PRUNE),
    ("forgets in memory only", forgetting.ForgetsInMemoryOnly, "forgotten_collections_after_reopening", Rule.PRUNE),
    # Names and texts
    ("names without case", writing.keyed(str.casefold), "names_which_differ_stay_apart", Rule.NAMES),
    ("names without spaces", writing.keyed(str.strip), "names_which_differ_stay_apart", Rule.NAMES),
    ("names composed", writing.keyed(writing.composed), "names_which_differ_stay_apart", Rule.NAMES),
    ("names without marks", writing.keyed(writing.without_marks), "names_which_differ_stay_apart", Rule.NAMES),
    ("long names are cut", writing.keyed(lambda name: name[:127]), "long_names", Rule.NAMES),
    ("a key of both names", writing.KeyOfBoth, "app_and_collection_are_two_names", Rule.NAMES),
    ("the app is ignored", writing.AppIsIgnored, "names_which_differ_stay_apart", Rule.NAMES),
    ("the service counts", writing.ServiceCounts, "service_is_no_name", Rule.NAMES),
    ("ids without case", writing.ids(str.casefold), "names_which_differ_stay_apart", Rule.NAMES),
    ("ids without spaces", writing.ids(str.strip), "names_which_differ_stay_apart", Rule.NAMES),
    ("ids composed", writing.ids(writing.composed), "names_which_differ_stay_apart", Rule.NAMES),
    ("ids without marks", writing.ids(writing.without_marks), "names_which_differ_stay_apart", Rule.NAMES),
    ("ids end at a zero", writing.ids(lambda id: id.partition("\0")[0]), "names_which_differ_stay_apart", Rule.NAMES),
    ("long ids are cut", writing.ids(lambda id: id[:191]), "long_names", Rule.NAMES),
    ("texts parsed", writing.texts(writing.parsed), "texts_come_back_to_the_byte", Rule.TEXTS),
    ("texts stripped", writing.texts(bytes.strip), "texts_come_back_to_the_byte", Rule.TEXTS),
    ("texts unescaped", writing.texts(writing.unescaped), "texts_come_back_to_the_byte", Rule.TEXTS),
    ("long texts are cut", writing.texts(lambda text: text[:65534]), "large_item", Rule.TEXTS),
]  # fmt: skip


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stepping, "SUSPENSIONS", 100)
    monkeypatch.setattr(cursors, "EPOCHS", set())


class Suite(BackendConformance):
    shares_storage = True


class SuiteOfNewEpochs(BackendConformance):
    keeps_epoch = False


async def run(
    case: str, store: Store, folder: Path, suite: type[BackendConformance] = Suite
) -> None:
    """Run a case of the suite as pytest would: with each of its parameters, and storage of its own for each."""
    function = getattr(suite(), f"test_{case}")
    numbers = itertools.count()
    for parameters in parametrized(function):
        file = folder / f"journal {next(numbers)}"

        def reopener(file: Path = file) -> Reopen:
            async def reopen() -> Backend:
                backend = store(file)
                await backend.open()
                return backend

            return reopen

        async with AsyncExitStack() as stack:
            given = dict(parameters)
            for name in inspect.signature(function).parameters:
                if name in {"backend", "forgetting"}:
                    tombstones = [5] if name == "forgetting" else []
                    backend = store(file, *tombstones)
                    given[name] = await stack.enter_async_context(opened(backend))
                elif name == "reopening":
                    given[name] = reopener()
                elif name == "setting_back":
                    given[name] = copying(file)
                elif name == "wiping":
                    given[name] = anyio.Path(file).unlink
            await function(**given)


def parametrized(function: Any) -> Iterator[dict[str, object]]:
    """Yield the parameters that a case is run with."""
    marks = [mark for mark in getattr(function, "pytestmark", ()) if mark.name == "parametrize"]
    if not marks:
        yield {}
    for mark in marks:
        name, values = mark.args
        yield from ({name: value} for value in values)


@pytest.mark.parametrize(
    ("store", "case", "rule"), [pytest.param(*rest, id=id) for id, *rest in BREACHES]
)
async def test_breaches(
    store: Store,
    case: str,
    rule: Rule | tuple[Rule, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if rule is Rule.CANCEL:
        monkeypatch.setattr(stepping, "CALL_SECONDS", 1.0)
    with pytest.raises(AssertionError) as caught:
        await run(case, store, tmp_path)
    assert str(caught.value).startswith(rule), str(caught.value)[:500]


@pytest.mark.parametrize("case", ["all_is_there_again", "cursors_after_reopening"])
async def test_an_epoch_is_said_not_to_be_kept(case: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"rule 5.*`keeps_epoch` is False"):
        await run(case, JournalBackend, tmp_path, SuiteOfNewEpochs)


# --- wrong shapes ---------------------------------------------------------------------------------


def returning(name: str, value: Any, *, plain: bool = False) -> Backend:
    """Return a store one of whose methods returns something else."""
    backend: Any = DictionaryBackend()
    method = getattr(backend, name)

    async def wrong(*arguments: Any) -> Any:
        result = await method(*arguments)
        return value(result) if callable(value) else value

    setattr(backend, name, (lambda *_: value) if plain else wrong)
    return Checked(backend)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("commit", lambda r: r.outcomes, "rule 1 .*: commit returned result: expected a CommitRes"),
        ("commit", lambda r: replace(r, outcomes=r.outcomes[:1]), "rule 1 .*: expected 4 outcomes"),
        ("commit", None, "rule 1 .*: commit returned result: expected a CommitResult, found None"),
        ("load", lambda r: list(r.rows), "load .*: load returned result: expected a Loaded, found"),
        ("load", lambda r: replace(r, rows=[("x", b"{}")]), r"Loaded.rows\[0\]: expected a Row"),
        ("heads", [], "heads .*: heads returned list: expected a mapping from each Coll"),
        ("heads", {path(): 1}, "heads .* expected a Cursor, found 1"),
        ("heads", {path(): None}, "heads .* expected a Cursor, found None"),
        ("heads", {"c": Cursor("e", 1)}, "heads .*: path: expected a CollectionPath, found str"),
        ("collections", "abc", "collections .*: collections returned names: expected a sequence"),
        ("collections", [3], r"collections .*names\[0\]: expected a str, found 3"),
    ],
)
async def test_wrong_shapes(name: str, value: Any, told: str) -> None:
    backend = returning(name, value)
    with pytest.raises(AssertionError, match=told):
        await use(backend, name)


@pytest.mark.parametrize("name", ["open", "close", "load", "commit", "heads", "collections"])
async def test_plain_functions(name: str) -> None:
    backend = returning(name, None, plain=True)
    with pytest.raises(AssertionError, match=f"{name}: is not a coroutine function"):
        await use(backend, name)


async def use(backend: Backend, name: str) -> None:
    calls: dict[str, Any] = {
        "load": (path(), None),
        "commit": (path(), [Write(Update(insert={"x": item_text("x")}))] * 4),
        "heads": ([path()],),
        "collections": ("app",),
    }
    await getattr(backend, name)(*calls.get(name, ()))


class TestFixtures(DeclaringCases):
    """The cases get what is checked, whatever the author's fixtures give."""

    async def test_checked(self, backend: Backend, reopening: Reopen, forgetting: Backend) -> None:
        for each in (backend, await reopening(), forgetting):
            assert isinstance(each, Checked)
            assert each.stored == {}  # whatever else it has is there, too


@pytest.fixture
def backend() -> Backend:
    return DictionaryBackend()


@pytest.fixture
def forgetful() -> Backend:
    return DictionaryBackend()


@pytest.fixture
def reopen() -> Reopen:
    async def reopen() -> Backend:
        return DictionaryBackend()

    return reopen
