"""The work of a call, counted exactly and without a clock: what is walked over and copied, also where C does it.

    work = work_of(lambda: server.receive_text("a", text, 0.0))
    assert work < 1000, work

It is the same number on every machine, so a test may hold it against a bound, or two of them against each other: at a
thousand items and at a million. An assertion that fails shows the lines that did most of it.

`turns.counting_turns` does the same for servers in the test's own loop, turn by turn.

The rules:

1. One unit is one call, one turn of a loop, one element that a function in C goes over, or 64 bytes that it reads or
   makes. A loop in Python takes some 0.1 µs a unit, a copy a tenth of that: `LONG_TURN` units are 10 ms at the most.
2. Only code of the packages named in `of` counts, in the test's thread, for as long as the block lasts. A function in C
   counts with all its arguments, unless `costs.py` knows that it does not look at all of them.
3. Not counted: what the end of an object takes (a large one that is let go), and the collector of garbage.
"""

from .counting import counting, work_of
from .work import LONG_TURN, Work

__all__ = ["LONG_TURN", "Work", "counting", "work_of"]
