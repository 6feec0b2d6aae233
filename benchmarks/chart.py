"""A picture of the suite `peers`: bars, one panel for each of a few cases, shorter is better."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from benchmarks.peers.contenders import OURS
from benchmarks.report import number

if TYPE_CHECKING:
    from benchmarks.measure import Result, Run

PANELS: Final = (
    "fan-out to 1000, 1 at a time",
    "fan-out to 1000, 16 in flight",
    "memory, 4000 connections",
    "resume, 10 of 1000 items missed, 1000 at once",
    "memory, a reader 16 MB behind",
    "connect, 1000 at once",
)
COLUMNS: Final = 2
WIDTH: Final = 430
NAME: Final = 130
BAR: Final = 18
STYLE: Final = (
    "text{font:12px system-ui,sans-serif;fill:#24292f}.h{font-weight:600}.n{text-anchor:end}"
    ".ours{fill:#0969da}.peer{fill:#afb8c1}rect.page{fill:#fff}"
)


def chart(run: Run) -> str:
    """Return an SVG document.

    Raises:
        SystemExit: the run has no such suite.
    """
    results = run.results.get("peers", [])
    panels = [(case, rows) for case in PANELS if (rows := [r for r in results if r.case == case])]
    if not panels:
        raise SystemExit("benchmarks chart: there are no figures of the suite `peers` in this file")
    height = max(len(rows) for _, rows in panels) * BAR + 50
    lines = -(-len(panels) // COLUMNS)
    whole = (COLUMNS * WIDTH, lines * height + 24)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole[0]} {whole[1]}">',
        "<title>SharedState beside its peers: shorter bars are better</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{whole[0]}" height="{whole[1]}"/>',
    ]
    for index, (case, rows) in enumerate(panels):
        x, y = index % COLUMNS * WIDTH, index // COLUMNS * height
        parts += [f'<g transform="translate({x} {y})">', *_panel(case, rows), "</g>"]
    about = f"{run.machine.get('processor')}, {run.machine.get('date')}: shorter is better"
    parts.append(f'<text x="12" y="{whole[1] - 10}">{escape(about)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(case: str, rows: list[Result]) -> list[str]:
    title = f"{case} ({rows[0].measure}, of one {rows[0].unit})"
    longest = max(row.cost for row in rows) or 1
    room = WIDTH - NAME - 80
    parts = [f'<text class="h" x="12" y="24">{escape(title)}</text>']
    for line, row in enumerate(rows):
        y = 36 + line * BAR
        kind = "ours" if row.subject.startswith(OURS) else "peer"
        width = max(1, row.cost / longest * room)
        parts += [
            f'<text class="n" x="{NAME}" y="{y + 12}">{escape(row.subject)}</text>',
            f'<rect class="{kind}" x="{NAME + 6}" y="{y}" width="{width:.1f}" height="{BAR - 4}"/>',
            f'<text x="{NAME + 12 + width:.1f}" y="{y + 12}">{number(row.cost)}</text>',
        ]
    return parts
