"""Two runs, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.growth.fit import EXPONENT

if TYPE_CHECKING:
    from benchmarks.measure import Result, Run

NOISE: Final = 15.0
"""Per cent that the same row differs by between two runs on an idle machine, at most, as a rule."""


def compare(before: Run, after: Run, noise: float = NOISE) -> tuple[str, int]:
    """Return a table of what each row costs now as a multiple of before, and how many rows got worse.

    Args:
        before: one run.
        after: another one, of the same machine.
        noise: rows that changed by more per cent than this are marked.
    """
    old, new = _rows(before), _rows(after)
    if not old.keys() & new.keys():
        return "no row is in both", 0
    bound = 1 + noise / 100
    lines, worse, better = [], 0, 0
    for key in [*old, *(key for key in new if key not in old)]:
        name = f"{key[0]}: {key[1]}"
        if key not in new or key not in old:
            where = "before" if key in old else "after"
            lines.append(f"  {name:<76} only in the run {where}")
            continue
        one, two = old[key], new[key]
        ratio = _ratio(one, two)
        mark = ""
        if ratio > bound:
            mark, worse = "WORSE", worse + 1
        elif ratio * bound < 1:
            mark, better = "better", better + 1
        costs = f"{one.cost:>10.3f} {two.cost:>10.3f} {two.measure:<3}"
        lines.append(f"  {name:<76} {costs} {ratio:>6.2f}  {mark}".rstrip())
    differing = [
        f"! {key}: {before.machine.get(key)} before, {after.machine.get(key)} after"
        for key in ("processor", "cores", "system", "python")
        if before.machine.get(key) != after.machine.get(key)
    ]
    head = f"  {'':<76} {'before':>10} {'after':>10} {'':<3} {'ratio':>6}"
    tail = f"{worse} worse, {better} better, by more than {noise:g} %"
    return "\n".join([*differing, head, *lines, tail]), worse


def _ratio(before: Result, after: Result) -> float:
    """Return what a row costs now as a multiple; of an exponent, what ten times the size costs now."""
    if before.measure == EXPONENT:
        return float(10 ** (after.cost - before.cost))
    return after.cost / before.cost if before.cost else float("inf") if after.cost else 1.0


def _rows(run: Run) -> dict[tuple[str, str], Result]:
    """Return the figures by suite and name; of those that several rows share, with a number."""
    rows: dict[tuple[str, str], Result] = {}
    for suite, results in run.results.items():
        above = ""
        for result in results:
            name = result.name
            if name.startswith(" "):  # belongs to the row above
                name = f"{above},{name[1:]}"
            else:
                above = name
            times = 1
            while (key := (suite, name if times == 1 else f"{name} ({times})")) in rows:
                times += 1
            rows[key] = result
    return rows
