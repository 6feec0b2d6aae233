"""A run as tables in Markdown, for `benchmarks/README.md`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.peers.contenders import OURS

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.measure import Result, Run

BEGIN: Final = "<!-- figures: python -m benchmarks report -->"
END: Final = "<!-- end of figures -->"


def report(run: Run) -> str:
    """Return a table for each suite, and of what they were measured on."""
    parts = [_machine(run.machine)]
    for suite, results in run.results.items():
        if any(result.subject for result in results):
            parts.append(f"### {suite}\n\n{side_by_side(results)}")
        else:
            parts.append(f"### {suite}\n\n{_list(results)}")
    return "\n\n".join(parts)


def put(text: str, page: Path) -> None:
    """Replace what stands between the two marks in a page.

    Raises:
        SystemExit: it has no such marks.
    """
    before, begin, rest = page.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"benchmarks: {page} has no place for figures: {BEGIN} … {END}")
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", "utf-8")


def side_by_side(results: list[Result]) -> str:
    """Return one row for each case and one column for each subject; the least is bold."""
    subjects = list(dict.fromkeys(result.subject for result in results))
    cases = list(dict.fromkeys(result.case for result in results))
    by_both = {(result.case, result.subject): result for result in results}
    rows = [["", *subjects]]
    for case in cases:
        row = {s: by_both[case, s] for s in subjects if (case, s) in by_both}
        first = next(iter(row.values()))
        servers = [each.cost for name, each in row.items() if not name.endswith("in C")]
        best = min(servers, default=0.0)
        cells = [f"{case} ({first.measure}, of one {first.unit})"]
        for subject in subjects:
            if subject not in row:
                cells.append("")
                continue
            cost = row[subject].cost
            cells.append(f"**{number(cost)}**" if cost == best else number(cost))
        rows.append(cells)
    return _markdown(rows, right=len(subjects))


def ahead(results: list[Result]) -> tuple[int, int]:
    """Return in how many cases the best of ours is the least, and of how many."""
    cases = dict.fromkeys(result.case for result in results)
    wins = 0
    for case in cases:
        rows = [each for each in results if each.case == case and not each.subject.endswith("in C")]
        wins += min(rows, key=lambda each: each.cost).subject.startswith(OURS)
    return wins, len(cases)


def number(cost: float) -> str:
    """Return three digits that matter."""
    if cost >= 100:
        return f"{cost:,.0f}"
    return f"{cost:.1f}" if cost >= 10 else f"{cost:.2f}"


def _list(results: list[Result]) -> str:
    rows = [["", "cost", "of one", "ratio", "beside"]]
    for result in results:
        case = f"… {result.case.strip()}" if result.case.startswith(" ") else result.case
        ratio = "" if result.ratio is None else f"{result.ratio:.2f}"
        cost = f"{number(result.cost)} {result.measure}"
        rows.append([case, cost, result.unit, ratio, result.yardstick or ""])
    return _markdown(rows)


def _machine(machine: dict[str, object]) -> str:
    facts = dict(machine)
    peers = facts.pop("peers", None)
    text = ", ".join(f"{key} {value}" for key, value in facts.items())
    if isinstance(peers, dict):
        text += ".\nPeers: " + ", ".join(f"{key} {value}" for key, value in peers.items())
    return f"Measured: {text}."


def _markdown(rows: list[list[str]], right: int = 0) -> str:
    head, *body = rows
    rule = ["---"] * (len(head) - right) + ["--:"] * right
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *body))
