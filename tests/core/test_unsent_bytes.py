"""What readers have not taken yet: each piece counts once, whatever leaves, in whatever order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from sharedstate_core import Limits
from sharedstate_core.limits import LiveLimits
from sharedstate_core.peer.unsent_bytes import UnsentBytes
from tests.support.work import work_of

if TYPE_CHECKING:
    from collections.abc import Sized

PIECES = tuple(bytes([n]) * (10 + n % 3) for n in range(8))
"""Some as long as others, none of them equal."""

READERS = ("a", "b", "c")

readers = st.sampled_from(READERS)
several = st.lists(st.sampled_from(PIECES), max_size=6)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), readers, several),
        st.tuples(st.just("keep"), readers, several),
        st.tuples(st.just("leave"), readers, st.integers(0, 6)),
        st.tuples(st.just("release"), readers),
        st.tuples(st.just("queue"), readers),
        st.tuples(st.just("next")),
    ),
    max_size=30,
)


def unsent_bytes() -> UnsentBytes[str]:
    return UnsentBytes(LiveLimits(Limits()))


@given(steps)
def test_what_counts_is_what_is_kept(steps: list[tuple[Any, ...]]) -> None:
    unsent = unsent_bytes()
    kept: dict[str, list[Sized]] = {reader: [] for reader in READERS}
    line: list[str] = []
    now = 0.0
    for do, *args in steps:
        now += 1.0
        match do, args:
            case "add", (reader, messages):
                unsent.add(reader, messages, now)
                kept[reader] += messages
            case "keep", (reader, messages):
                unsent.keep(reader, messages, now)
                kept[reader] = list(messages)
            case "leave", (reader, number):
                kept[reader] = kept[reader][number:]
                unsent.keep(reader, kept[reader], now)
            case "release", (reader,):
                unsent.release(reader)
                kept[reader] = []
            case "queue", (reader,) if reader not in line:
                unsent.queue(reader, now)
                line.append(reader)
            case "next", () if (following := unsent.next(now)) is not None:
                assert following == line.pop(0)
            case _:
                pass
        different = {id(each): len(each) for messages in kept.values() for each in messages}
        assert unsent.bytes == sum(different.values())


def test_a_reader_that_makes_progress_goes_to_the_end() -> None:
    unsent: UnsentBytes[str] = UnsentBytes(LiveLimits(Limits(owed_bytes=15)))
    unsent.add("a", PIECES[:2], 0.0)
    unsent.add("b", PIECES[2:3], 1.0)
    deadline = unsent.next_deadline()
    unsent.keep("a", PIECES[1:2], 5.0)
    assert unsent.next_deadline() == (deadline or 0.0) + 1.0  # that of the other
    unsent.keep("b", PIECES[2:3], 6.0)
    assert unsent.next_deadline() == (deadline or 0.0) + 5.0


def test_what_leaves_one_after_another_is_not_counted_anew() -> None:
    unsent, count = unsent_bytes(), 2_000
    pieces = [b"%06d" % n for n in range(count)]
    unsent.add("a", pieces, 0.0)
    assert work_of(lambda: unsent.keep("a", pieces[1:], 1.0)) < 4 * count
    assert unsent.bytes == 6 * (count - 1)
