"""What is done with figures: comparing, tables, the picture. The figures themselves are made up here."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from benchmarks import __main__ as command
from benchmarks.compare import compare
from benchmarks.growth.fit import EXPONENT, TURNS, exponent
from benchmarks.measure import Result, Run, machine
from benchmarks.peers import contenders
from benchmarks.peers import suite as peers
from benchmarks.peers.contenders import OURS, Contender
from benchmarks.peers.wires import ShareDb, SharedState, SocketIo, Yjs
from benchmarks.report import BEGIN, END, ahead, report

if TYPE_CHECKING:
    from pathlib import Path


def run(*costs: float) -> Run:
    names = ("one", "two", "three")
    results = [Result(name, cost, "item") for name, cost in zip(names, costs, strict=False)]
    return Run({"processor": "a", "python": "3"}, {"core": results})


def test_compare_marks_what_got_worse() -> None:
    text, worse = compare(run(1.0, 2.0, 3.0), run(1.3, 2.1, 2.0), 10)
    assert worse == 1
    one, two, three = (line for line in text.splitlines() if " core: " in line)
    assert one.endswith("1.30  WORSE")
    assert two.endswith("1.05")
    assert three.endswith("0.67  better")
    assert text.endswith("1 worse, 1 better, by more than 10 %")


def test_compare_tells_other_machines_and_rows_that_are_missing() -> None:
    text, worse = compare(run(1.0, 2.0), Run({"processor": "b"}, run(1.0).results))
    assert worse == 0
    assert "! processor: a before, b after" in text
    assert re.search(r"core: two +only in the run before", text)


def test_compare_does_not_count_a_figure_of_nothing_as_faster() -> None:
    assert compare(run(0.0), run(1.0))[1] == 1
    assert compare(run(0.0), run(0.0))[1] == 0


def test_rows_of_one_name_are_held_apart_by_the_row_above() -> None:
    rows = [Result("a", 1, "x"), Result("  cpu", 1, "x"), Result("b", 1, "x")]
    before = Run({}, {"mysql": [*rows, Result("  cpu", 1, "x")]})
    after = Run({}, {"mysql": [*rows, Result("  cpu", 2, "x")]})
    text, worse = compare(before, after)
    assert worse == 1
    assert re.search(r"mysql: b, cpu .* WORSE", text)


def test_compare_takes_an_exponent_as_what_ten_times_the_size_costs() -> None:
    def grows(exponent: float) -> Run:
        return Run({}, {"growth": [Result("an update over items", exponent, "", measure=EXPONENT)]})

    assert compare(grows(0.001), grows(0.003), 1)[1] == 0
    assert compare(grows(0.0), grows(0.5))[1] == 1
    assert "3.16  WORSE" in compare(grows(-0.1), grows(0.4))[0]


@pytest.mark.parametrize(
    ("exponents", "slope"),
    [({10: 3.0, 1000: 3.0}, 0), ({1: 2.0, 10: 20.0, 100: 200.0}, 1), ({2: 4.0, 4: 16.0}, 2)],
)
def test_an_exponent_is_fitted(exponents: dict[int, float], slope: float) -> None:
    assert exponent(exponents) == pytest.approx(slope, abs=1e-9)


def test_growth_fails_if_a_cost_grows_faster_than_it_may_or_a_turn_is_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = [
        Result("an update over items", 0.04, "items", measure=EXPONENT),
        Result("a stranger's wait: a first load", 300.0, "the longest", measure="ms"),
        Result(" turns of more than 10 ms", 0.0, "round", measure=TURNS),
        Result("a stranger's wait over items, trio", 1.0, "items", measure=EXPONENT),
    ]
    bad = [
        Result("an update over items", 0.5, "items", measure=EXPONENT),
        good[1],
        Result(" turns of more than 10 ms", 2.0, "round", measure=TURNS),
    ]
    for results, code in ((good, 0), (bad, 1)):
        monkeypatch.setitem(command.SUITES, "growth", (partial(list, results), "in small"))
        assert command.main(["growth"]) == code
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("! ")]
    assert told == [
        "! an update over items: exponent 0.50, at most 0.05 is well",
        "! a stranger's wait: a first load: 2 turns of more than 10 ms",
    ]
    monkeypatch.setitem(command.QUICK, "growth", lambda: good)
    assert command.main(["growth", "--quick"]) == 0


def test_exit_code_of_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    run(1.0).dump(before)
    run(1.3).dump(after)
    assert command.main(["compare", str(before), str(after)]) == 1
    assert command.main(["compare", str(after), str(before)]) == 0
    assert command.main(["compare", str(before), str(after), "--noise", "40"]) == 0
    assert "WORSE" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"machine": {}, "results": {"core": [{}]}}'])
def test_a_file_of_something_else(tmp_path: Path, content: str) -> None:
    file = tmp_path / "it.json"
    file.write_text(content, "utf-8")
    with pytest.raises(SystemExit, match=r"it\.json is no file of results"):
        command.main(["report", str(file)])
    with pytest.raises(SystemExit, match="No such file"):
        command.main(["report", str(tmp_path / "other.json")])


def test_a_file_holds_all_of_a_run(tmp_path: Path) -> None:
    whole = Run(machine(), {"core": [Result("one", 1.5, "item", 2.0, "yard", "KiB", "ours")]})
    whole.dump(tmp_path / "it.json")
    assert Run.load(tmp_path / "it.json") == whole
    assert {"revision", "processor", "cores", "load", "date", "system"} <= whole.machine.keys()


SIDES = [
    Result("memory, 4000 connections", 8.0, "client", subject=OURS),
    Result("memory, 4000 connections", 9.0, "client", subject="<ws> & co"),
    Result("memory, 4000 connections", 0.1, "client", subject="send() in C"),
    Result("connect, 1000 at once", 300.0, "client", subject=OURS),
    Result("connect, 1000 at once", 40.0, "client", subject="<ws> & co"),
]


def test_report_puts_subjects_side_by_side(tmp_path: Path) -> None:
    whole = Run({"processor": "a", "peers": {"ws": "8"}}, {**run(1.0).results, "peers": SIDES})
    text = report(whole)
    assert "| memory, 4000 connections (µs, of one client) | **8.00** | 9.00 | 0.10 |" in text
    assert "| connect, 1000 at once (µs, of one client) | 300 | **40.0** |  |" in text
    assert "| one | 1.00 µs | item |  |  |" in text
    assert "Peers: ws 8" in text
    assert ahead(SIDES) == (1, 2)
    file, page = tmp_path / "it.json", tmp_path / "page.md"
    whole.dump(file)
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", "utf-8")
    for _ in range(2):
        assert command.main(["report", str(file), str(page)]) == 0
        assert page.read_text("utf-8") == f"before\n{BEGIN}\n\n{text}\n\n{END}\nafter\n"
    page.write_text("nothing", "utf-8")
    with pytest.raises(SystemExit, match="no place for figures"):
        command.main(["report", str(file), str(page)])
    assert page.read_text("utf-8") == "nothing"


def test_chart_is_a_picture_of_the_peers(tmp_path: Path) -> None:
    file, svg = tmp_path / "it.json", tmp_path / "it.svg"
    Run({"processor": "a"}, {"peers": SIDES}).dump(file)
    assert command.main(["chart", str(file), str(svg)]) == 0
    root = ET.parse(svg).getroot()
    name = "{http://www.w3.org/2000/svg}"
    bars = [each for each in root.iter(f"{name}rect") if each.get("class") != "page"]
    assert [each.get("class") for each in bars] == ["ours", "peer", "peer", "ours", "peer"]
    widths = [float(each.get("width", "")) for each in bars]
    assert widths[1] > widths[0] > widths[2]
    assert "<ws> & co" in {each.text for each in root.iter(f"{name}text")}
    run(1.0).dump(file)
    with pytest.raises(SystemExit, match="no figures of the suite `peers`"):
        command.main(["chart", str(file), str(svg)])


def test_list_names_every_suite_and_who_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(contenders, "MODULES", tmp_path)
    assert command.main(["list"]) == 0
    out = capsys.readouterr().out
    assert {line.split(" ")[0] for line in out.splitlines()} >= command.SUITES.keys()
    assert re.search(r"ShareDB +not installed; try: make bench-peers", out)
    assert re.search(rf"{OURS} +ready", out)


def test_a_suite_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["cores"])
    assert "no suite 'cores'; there are: core, views" in capsys.readouterr().err


def test_peers_without_peers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = contenders.contenders()[0]
    absent = Contender("absent", SharedState, ours.start, "not installed; try: make bench-peers")
    monkeypatch.setattr(contenders, "contenders", lambda: [ours, absent])
    for name, value in (
        ("SUBSCRIBERS", (3,)),
        ("DELIVERIES", 6),
        ("ROUNDS", 1),
        ("FIRST", 2),
        ("ITEMS", 30),
        ("STORM", 3),
        ("READERS", 2),
        ("SLOW", 1),
        ("SLOW_UPDATES", 8),
    ):
        monkeypatch.setattr(peers, name, value)
    monkeypatch.setattr(peers, "_least", lambda _: Result("other", 1.0, "delivery"))
    found = {result.case for result in peers.run()}
    assert found == {
        "connect, 3 at once",
        "memory, 3 connections",
        "fan-out to 3, 1 at a time",
        "fan-out to 3, 16 in flight",
        "join 30 items, 3 at once",
        "resume, 10 of 30 items missed, 3 at once",
        "16 kB to 2 readers",
        "16 kB to 2 readers, 1 slow ones beside",
        "memory, a reader 0 MB behind",
    }
    assert "without absent: not installed" in capsys.readouterr().err


def test_what_writers_say() -> None:
    assert ShareDb().write(["a", "b"]).count(b"\x81") == 2
    assert SocketIo().write(["a"])[:2] == b"\x81\xfe"
    yjs = Yjs()
    first, second = yjs.write(["a"], 20), yjs.write(["a"], 20)
    assert first != second
    assert len(first) > len(second)  # the key is told once; then it is the item that is replaced
