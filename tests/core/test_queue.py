"""The queue of a collection: what waits, in order, whoever's requests are taken out meanwhile."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sharedstate_core import Commit, Limits, RequestError, Update, Write
from sharedstate_core.collection.queue import Queue
from sharedstate_core.collection.waiting_requests import Get, Put
from sharedstate_core.effects import Effects
from sharedstate_core.limits import LiveLimits
from sharedstate_core.pending import Pending
from tests.support.work import work_of

from .scenes import P, put, say, under_way, watching

READERS = range(3)

steps = st.one_of(
    st.tuples(st.just("append"), st.sampled_from(READERS), st.booleans()),
    st.tuples(st.just("take"), st.just(0), st.just(False)),
    st.tuples(st.just("take_of"), st.sampled_from(READERS), st.booleans()),
    st.tuples(st.just("commit"), st.just(0), st.just(False)),
    st.tuples(st.just("fail"), st.just(0), st.just(False)),
)


class Asker:
    """An author that only has a reader, and a size."""

    def __init__(self, reader: int) -> None:
        self.reader = reader
        self.size = 10

    def fail(self, *_: object, **__: object) -> None:
        """Hear of a failure."""


@given(st.lists(steps, max_size=60))
def test_it_is_a_list_from_which_a_reader_s_requests_can_be_taken(steps: list[Any]) -> None:
    """Also if they come back and are taken once more."""
    limits = LiveLimits(Limits())
    pending = Pending(limits)
    queue: Queue[Any] = Queue(pending)
    model: list[Any] = []
    for what, reader, flag in steps:
        match what:
            case "append":
                author: Any = Asker(reader)
                request: Any = Put(author, Write(Update(("x",), {})), 7) if flag else Get(author)
                queue.append(request)
                model.append(request)
            case "take" if model and isinstance(model[0], Get):
                queue.take()
                model.pop(0)
            case "take_of":
                theirs = [each for each in model if each.author.reader == reader]
                assert [id(each) for each in queue.take_of(reader)] == [id(each) for each in theirs]
                model = [each for each in model if each.author.reader != reader]
                if flag:
                    for each in theirs:
                        queue.append(each)
                        model.append(each)
            case "commit":
                writes = queue.begin_commit(None, limits, Effects(), lambda *_: None)
                for write in writes:
                    assert model.pop(0).write is write
                queue.end_commit()
            case "fail":
                queue.fail(RequestError("unavailable", "x"), [], len(queue.waiting))
                model.clear()
            case _:
                pass
        assert [id(each) for each in queue] == [id(each) for each in model]
        assert bool(queue.waiting) == bool(model)
        assert not model or queue.waiting[0] is model[0]
        assert pending.bytes == sum(each.size for each in model if isinstance(each, Put))
        assert pending.read_bytes == sum(each.size for each in model if isinstance(each, Get))
        assert len(queue.waiting) <= 3 * len(model) + 64


def test_what_was_taken_out_and_came_back_waits_once() -> None:
    """However often, and behind somebody else's request."""
    queue: Queue[Any] = Queue(Pending(LiveLimits(Limits())))
    one: Any = Asker(1)
    other: Any = Asker(0)
    ahead, back = Get(one), Get(other)
    queue.append(ahead)
    queue.append(back)
    for _ in range(3):
        assert queue.take_of(other.reader) == (back,)
        queue.append(back)
    assert list(queue) == [ahead, back]
    queue.take()
    assert queue.waiting[0] is back
    queue.take()
    assert not queue.waiting


def work_of_putting_off(readers: int) -> int:
    """Return the work of a commit's end, when none of those who asked for the collection can take the answer."""
    world = watching(readers, "p")
    put(world, 0, "q")
    for number, client in enumerate(world.clients):
        for _ in range(10):
            client.ask("GET", P)
        say(world, number)
        world.block(number)
    commit = under_way(world, Commit)
    result = world.store.commit(commit.collection, commit.writes)
    work = work_of(lambda: world.server.commit_succeeded(commit.ticket, result, 0.0))
    assert (
        sum(session._backlog.requests for session in world.server._sessions.values())
        == 10 * readers
    )
    return int(work)


def test_putting_off_many_readers_looks_at_each_request_a_few_times() -> None:
    assert work_of_putting_off(80) < 5 * work_of_putting_off(20)
