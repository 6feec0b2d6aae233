"""docs/monitoring/, and where the log goes: with the real numbers, the real log, and the real programs.

promtool and fail2ban-regex are large, or start a service where they are installed: `make nightly` unpacks them beside
the sources, and what only they can tell is looked at then.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.docs.test_operating_guide import TEXT, monitored, of_page, program, replaced
from tests.support.services.command import started, without_root
from tests.support.services.servers import document, until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "docs" / "monitoring"
UNPACKED: Final = ROOT / "build" / "debian"
ALERTS: Final = (FOLDER / "alerts.yml").read_text()
FILTER: Final = FOLDER / "fail2ban-sharedstate.conf"
BOARD: Final[Any] = json.loads((FOLDER / "dashboard.json").read_text())
SECONDS: Final = 30.0


def tool(name: str) -> str:
    """Return one of the programs that only the nightly run has."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:{UNPACKED}/usr/bin")
    if found is None:
        pytest.skip(f"{name} is not here; make nightly brings it")
    return found


# Alerts and the board


def rules() -> dict[str, str]:
    """Return the expression of each alert."""
    return dict(re.findall(r"- alert: (\w+)\n +expr: (.*)\n", ALERTS))


def expressions() -> Iterator[str]:
    """Yield every expression of the board."""
    for panel in BOARD["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    for note in BOARD["annotations"]["list"]:
        yield note["expr"]
    for variable in BOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["definition"]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Return the names of all that `/metrics` tells; `up` is Prometheus' own."""
    folder = tmp_path_factory.mktemp("metrics")
    (folder / "config.json").write_text(json.dumps(monitored(folder)))
    with started("config.json", folder=folder) as server:
        url = f"http://127.0.0.1:{server.port}/metrics"
        with urllib.request.urlopen(url, timeout=SECONDS) as response:
            told = response.read().decode()
    return {"up", *re.findall(r"^(\w+)[{ ]", told, re.MULTILINE)}


def metrics_in(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:sharedstate_\w+|process_\w+|up)\b", expression))


def test_alerts_are_those_of_the_page() -> None:
    table = TEXT[TEXT.index("Alerts worth having") : TEXT.index("And when the server cannot")]
    told = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]
    assert [*told, 'up{job="sharedstate"} == 0'] == [
        *list(rules().values())[1:],
        rules()["SharedStateDown"],
    ]
    assert len(rules()) == ALERTS.count("- alert:")


def test_alerts_ask_for_what_there_is(samples: set[str]) -> None:
    for alert, expression in rules().items():
        assert metrics_in(expression), alert
        assert metrics_in(expression) <= samples, alert


def test_the_board_asks_for_what_there_is(samples: set[str]) -> None:
    for expression in expressions():
        assert metrics_in(expression), expression
        assert metrics_in(expression) <= samples, expression


def test_the_board_shows_every_number(samples: set[str]) -> None:
    shown = {name for expression in expressions() for name in metrics_in(expression)}
    own = {name for name in samples if name.startswith("sharedstate_")}
    parts = {name for name in own if re.search(r"_(sum|count|created|bucket)$", name)}
    assert own - parts <= shown


def test_the_board_is_whole() -> None:
    panels = BOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels)
    variables = {variable["name"] for variable in BOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(BOARD)))
    assert used == variables


HEALTHY: Final = {
    'up{job="sharedstate"}': "1+0x60",
    'sharedstate_storage_errors_total{service="items"}': "7+0x60",
    'sharedstate_storage_up{service="items"}': "1+0x60",
    'sharedstate_certificate_days_left{listener="service.ssl"}': "60+0x60",
    "sharedstate_connections": "100+0x60",
    "process_open_fds": "100+0x60",
    "process_max_fds": "1000+0x60",
    "sharedstate_event_loop_delay_seconds_sum": "0+1x60",
    "sharedstate_event_loop_delay_seconds_count": "0+120x60",
    "sharedstate_event_loop_turn_seconds_count": "0+6000x60",
    'sharedstate_event_loop_turn_seconds_bucket{le="0.1"}': "0+6000x60",
    "sharedstate_commit_seconds_sum": "0+6x60",
    "sharedstate_commit_seconds_count": "0+600x60",
    "sharedstate_blocked_readers": "1+0x60",
    'sharedstate_resumes_total{outcome="missed"}': "0+60x60",
    'sharedstate_resumes_total{outcome="met"}': "0+60000x60",
}
"""An hour of a server that is well: a value a minute each."""
ILL: Final = {
    "SharedStateDown": {'up{job="sharedstate"}': "0+0x60"},
    "SharedStateStorageErrors": {'sharedstate_storage_errors_total{service="items"}': "7+1x60"},
    "SharedStateStorageDown": {'sharedstate_storage_up{service="items"}': "0+0x60"},
    "SharedStateCertificateExpires": {
        'sharedstate_certificate_days_left{listener="service.ssl"}': "13+0x60"
    },
    "SharedStateManyConnections": {"sharedstate_connections": "19000+0x60"},
    "SharedStateManyOpenFiles": {"process_open_fds": "950+0x60"},
    "SharedStateBusy": {"sharedstate_event_loop_delay_seconds_sum": "0+24x60"},
    "SharedStateLongTurns": {"sharedstate_event_loop_turn_seconds_count": "0+6001x60"},
    "SharedStateSlowCommits": {"sharedstate_commit_seconds_sum": "0+600x60"},
    "SharedStateSlowReaders": {"sharedstate_blocked_readers": "20+0x60"},
    "SharedStateWholeCollections": {'sharedstate_resumes_total{outcome="missed"}': "0+1200x60"},
}


def test_prometheus_takes_the_alerts_and_they_fire(tmp_path: Path) -> None:
    promtool = tool("promtool")
    assert set(ILL) == set(rules())
    check = [promtool, "check", "rules", "--lint-fatal", str(FOLDER / "alerts.yml")]
    run = subprocess.run(check, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    cases = []
    for ill, change in [("", {}), *ILL.items()]:
        series = [
            {"series": key, "values": values} for key, values in {**HEALTHY, **change}.items()
        ]
        expressions = [
            {
                "expr": f'count(ALERTS{{alertname="{alert}", alertstate="firing"}}) or vector(0)',
                "eval_time": "30m",
                "exp_samples": [{"labels": "{}", "value": int(alert == ill)}],
            }
            for alert in rules()
        ]
        cases.append({"interval": "1m", "input_series": series, "promql_expr_test": expressions})
    tests = {
        "rule_files": [str(FOLDER / "alerts.yml")],
        "evaluation_interval": "1m",
        "tests": cases,
    }
    (tmp_path / "tests.yml").write_text(json.dumps(tests))
    test = [promtool, "test", "rules", str(tmp_path / "tests.yml")]
    run = subprocess.run(test, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_prometheus_takes_what_the_board_asks(tmp_path: Path) -> None:
    promtool = tool("promtool")
    asked = [
        {"record": f"n{n}", "expr": re.sub(r"\[\$__rate_interval\]", "[5m]", expression)}
        for n, expression in enumerate(expressions())
        if not expression.startswith("label_values(")
    ]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "a", "rules": asked}]}))
    check = [promtool, "check", "rules", str(tmp_path / "rules.yml")]
    run = subprocess.run(check, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


# fail2ban


@pytest.fixture(scope="module")
def refusal(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the line that the server writes of an address with too many connections, and what it says of others."""
    folder = tmp_path_factory.mktemp("refusals")
    limits = {"connections_per_address": 1}
    (folder / "config.json").write_text(json.dumps({**document(), "limits": limits}))
    log = folder / "log"
    with started("config.json", folder=folder, log=log) as server:
        address = ("127.0.0.1", server.port)
        with (
            socket.create_connection(address, SECONDS),
            socket.create_connection(address, SECONDS) as refused,
        ):
            assert refused.recv(1000).startswith(b"HTTP/1.1 429 ")
        server.send(signal.SIGTERM)
        assert server.finish() == 0
    said = without_root(log.read_text()).splitlines()
    (line,) = [line for line in said if "WARNING" in line]
    return line


def told_by_filter(line: str) -> str | None:
    """Return the address that the filter finds; fail2ban takes the time away before it looks."""
    (expression,) = re.findall(r"^failregex = (.*)$", FILTER.read_text(), re.MULTILINE)
    found = re.search(expression.replace("<ADDR>", r"(?P<address>[0-9a-f.:]+)"), line)
    return str(ipaddress.ip_address(found["address"])) if found else None


def test_the_filter_finds_the_address(refusal: str) -> None:
    time, _, rest = refusal.partition(" ")
    assert time.endswith("Z")
    assert told_by_filter(f" {rest}") == "127.0.0.1"
    assert told_by_filter(f"machine sharedstate-anyio[12]: {refusal}") == "127.0.0.1"
    assert told_by_filter(f" {rest.replace('127.0.0.1', '2001:db8::7')}") == "2001:db8::7"


@pytest.mark.parametrize(
    "line",
    [
        " WARNING refused a connection from 203.0.113.8: the server has its 20000 connections",
        " INFO a page of WARNING refused a connection from 203.0.113.8: there are 1 connections from your address",
        " ERROR commit failed: refused a connection from 203.0.113.8: there are 1 connections from your address",
    ],
)
def test_the_filter_finds_nobody_else(line: str) -> None:
    assert told_by_filter(line) is None


def test_fail2ban_takes_the_filter(refusal: str, tmp_path: Path) -> None:
    command = tool("fail2ban-regex")
    base = Path("/etc/fail2ban") if command.startswith("/usr") else UNPACKED / "etc" / "fail2ban"
    (tmp_path / "log").write_text(f"{refusal}\n2026-01-01T00:00:00.000Z WARNING another\n")
    run = subprocess.run(
        ["/usr/bin/python3", command, "-c", str(base), str(tmp_path / "log"), str(FILTER)],
        env={**os.environ, "PYTHONPATH": f"{UNPACKED}/usr/lib/python3/dist-packages"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "2 lines, 0 ignored, 1 matched, 1 missed" in run.stdout


def test_the_jail_is_that_of_the_filter() -> None:
    (block,) = of_page("fail2ban")
    assert block.text.startswith("[sharedstate]\nenabled = true\nbackend = systemd\n")
    assert "_SYSTEMD_UNIT=sharedstate.service" in FILTER.read_text()


# Log files


async def test_logrotate_takes_the_log_and_the_server_goes_on(tmp_path: Path) -> None:
    (block,) = of_page("logrotate")
    log = tmp_path / "sharedstate.log"
    changes = {"/var/log/sharedstate/sharedstate.log": str(log)}
    (tmp_path / "logrotate.conf").write_text(replaced(block.text, changes))
    (tmp_path / "logrotate.conf").chmod(0o644)
    tmp_path.chmod(0o755)
    (tmp_path / "config.json").write_text(json.dumps(document()))
    rotate = [program("logrotate"), "--force", "--state", str(tmp_path / "state")]
    with started("config.json", folder=tmp_path, log=log) as server:
        server.says("Ctrl-C")
        for times in (1, 2, 3):
            server.send(signal.SIGHUP)
            await until(lambda: log.exists() and "reloaded" in log.read_text())
            assert log.read_text().count("reloaded") == 1, "it goes on at the new end"
            assert "\0" not in log.read_text()
            subprocess.run([*rotate, str(tmp_path / "logrotate.conf")], timeout=SECONDS, check=True)
            kept = {file.name for file in tmp_path.glob("sharedstate.log.*")}
            assert len(kept) == times
            assert "reloaded" in (tmp_path / "sharedstate.log.1").read_text()
            assert log.read_text() == ""
