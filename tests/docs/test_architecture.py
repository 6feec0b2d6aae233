"""ARCHITECTURE.md: the tables that run stand there, and what it names is where it says."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from sharedstate_anyio.config.limits import TransportLimits
from sharedstate_core import Limits
from tests.decision_tables import TABLES, markdown

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
FIRST, _, INTERNALS = PAGE.partition("\n## The internals\n")


@pytest.mark.parametrize("name", TABLES)
def test_a_decision_table_is_printed(name: str) -> None:
    printed = re.search(f"<!-- table: {name} -->\n\n(.*?)\n\n<!-- end -->", PAGE, re.DOTALL)
    assert printed is not None
    assert printed[1] == markdown(*TABLES[name]), "print it anew: python -m tests.decision_tables"


def test_the_first_page_is_short() -> None:
    """It is for reading at once: the picture, the idea, the rules, the rooms, and where to change what."""
    assert FIRST.count("\n") < 90
    assert re.findall("(?m)^## (.*)", FIRST)[-1] == "Where do I change X?"
    assert not re.search("(?m)^## ", INTERNALS), "what follows is below one heading"


def test_what_the_first_page_names_exists() -> None:
    rows = [line for line in FIRST.splitlines() if line.startswith("| ")]
    pattern = r"^\| `([^` ]+/)`|\]\(([^)#]+)\)"
    names = {a or b for row in rows for a, b in re.findall(pattern, row)}
    assert len(names) > 40
    assert [name for name in sorted(names) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize(
    ("heading", "package", "without"),
    [
        ("The core's rules", "sharedstate_core", ("client/", "testing/")),
        ("The stores", "backends/sharedstate_backends", ("conformance/",)),
    ],
)
def test_every_module_has_its_line(heading: str, package: str, without: tuple[str, ...]) -> None:
    """And every line has its module; some folders have one for all of theirs."""
    _, _, section = INTERNALS.partition(f"\n### {heading}\n")
    table = re.search(r"(?m)^\| folder \| module \| .*\n\|[-|]+\|\n((?:\|.*\n)+)", section)
    assert table is not None
    named, folder = [], ""
    for line in table[1].splitlines():
        first, modules = line.strip("|").split("|")[:2]
        if first.strip():
            path = re.match(r" `(.*?/)`", first)
            folder = path[1] if path else ""
        named += [folder + module for module in re.findall(r"`(\w+)`", modules)]
    files = (str(file.relative_to(ROOT / package)) for file in (ROOT / package).rglob("*.py"))
    modules_there = {
        name.removesuffix(".py")
        for name in files
        if not name.startswith(without) and not Path(name).name.startswith("_")
    }
    assert sorted(named) == sorted(modules_there)


def accounts() -> list[list[str]]:
    """Return the rows of the table of what is counted in bytes."""
    _, _, section = PAGE.partition("#### What is counted in bytes\n")
    rows = [line for line in section.partition("\n### ")[0].splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row.strip("|").split(" |")] for row in rows[1:]]


@pytest.mark.parametrize("row", accounts(), ids=lambda row: row[0])
def test_an_account_has_a_bound_a_place_and_a_test(row: list[str]) -> None:
    _, of_one, of_all, beyond, where, held_by = row
    limits = {field.name: field for kind in (Limits, TransportLimits) for field in fields(kind)}
    named = re.findall("`([a-z]+_?[a-z]*)`", f"{of_one} {of_all}")
    assert named or "128 KiB" in of_one
    assert named == [name for name in named if name in limits]
    assert beyond
    (module,) = re.findall("`(.*?)`", where)
    assert [*ROOT.glob(f"sharedstate_core/{module}"), *ROOT.glob(f"adapters/*/{module}")]
    tests = re.findall(r"\]\((.*?)\)", held_by)
    assert tests
    for test in tests:
        text = (ROOT / test).read_text()
        assert any(name in text for name in named or ["PIECE_BYTES"]), test


def test_every_limit_of_memory_has_its_account() -> None:
    cells = " ".join(cell for row in accounts() for cell in row[1:3])
    elsewhere = {"id_bytes", "part_bytes"}  # of one message, which is counted
    for field in [*fields(Limits), *fields(TransportLimits)]:
        if field.name.endswith("_bytes") and field.name not in elsewhere:
            assert f"`{field.name}`" in cells, field.name
