"""docs/configuration.md against the JSON Schema: every key, with its default and its bounds."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest

from sharedstate_anyio.config.schema import schema
from sharedstate_anyio.config.services import POLL_SECONDS
from sharedstate_backends.sqlite import backend as sqlite

PAGE: Final = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text("utf-8")
SCHEMA: Final[Any] = schema()
HEADER: Final = "| key | default | bounds | meaning |"
UNITS: Final = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
BEYOND_THE_SCHEMA: Final[dict[str, object]] = {
    "services[].poll_seconds": POLL_SECONDS,
    "services[].config": {},
    "limits.connections_per_address": 1000,
    "sqlite db_name": ":memory:",
    "sqlite db_timeout": sqlite.BUSY_TIMEOUT,
    "mysql db_timeout": 10.0,
}
"""Defaults that depend on something else, so that the schema does not tell them."""


def rows() -> dict[str, tuple[str, str, str]]:
    """Return default, bounds and meaning of each key, as written; keys of databases with `sqlite` or `mysql` before."""
    found: dict[str, tuple[str, str, str]] = {}
    for table in re.findall(
        rf"^{re.escape(HEADER)}\n.*?(?=^\n|\Z)", PAGE, re.MULTILINE | re.DOTALL
    ):
        database = ""
        if "`db_" in table:
            database = "mysql " if "`db_host`" in table else "sqlite "
        for line in table.splitlines()[2:]:
            keys, default, bounds, meaning = re.split(
                r" ?\| ?", line.strip("|").strip(), maxsplit=3
            )
            for key in re.findall(r"`([^`]+)`", keys):
                assert database + key not in found, key
                found[database + key] = default, bounds, meaning
    return found


def keys() -> dict[str, Any]:
    """Return what the schema says of each key."""
    found = {
        key: SCHEMA["properties"][key]
        for key in ("compression", "origins", "hosts", "metrics", "files", "auth", "rules")
    }
    found["services"] = SCHEMA["properties"]["services"] | {"items": {}}
    found["$schema"] = SCHEMA["properties"]["$schema"]
    found["service.listen"] = {}
    definitions = SCHEMA["$defs"]
    for prefix, owner in (
        ("service.", definitions["listener"]),
        ("services[].", definitions["service"]),
        ("limits.", SCHEMA["properties"]["limits"]),
        ("auth.", definitions["auth"]),
        ("auth.jwt.", definitions["jwt"]),
        ("auth.keys[].", definitions["static_key"]),
        ("rules[].", definitions["rule"]),
    ):
        found |= {prefix + key: about for key, about in owner["properties"].items()}
    items = definitions["items_service"]
    for case in items["allOf"]:
        database = case["if"]["properties"]["db_type"]["const"]
        special = case["then"]["properties"]
        for key, about in items["properties"].items():
            for_both = key in {"db_type", "db_table", "db_collections"}
            if key in special or (for_both if database == "sqlite" else key.startswith("ssl.")):
                found[f"{database} {key}"] = {**about, **special.get(key, {})}
    return found


def value(text: str) -> object:
    """Read a default: JSON or a word in backticks, or a number with its unit."""
    if text.startswith("`"):
        try:
            return json.loads(text.strip("`"))
        except ValueError:
            return text.strip("`")
    return number(text)


def number(text: str) -> float:
    match = re.fullmatch(r"(?:(\d+)\^)?([\d,.]+)(?: (KiB|MiB|GiB))?", text)
    assert match, text
    base, digits, unit = match.groups()
    plain = float(digits.replace(",", ""))
    return float(base) ** plain if base else plain * UNITS.get(unit, 1)


def range_of(about: object) -> tuple[float, float] | None:
    """Return the least and the most that a schema allows, wherever it says so."""
    if isinstance(about, dict):
        if "minimum" in about:
            return about["minimum"], about["maximum"]
        return next(filter(None, map(range_of, about.values())), None)
    if isinstance(about, list):
        return next(filter(None, map(range_of, about)), None)
    return None


def test_every_key_is_there() -> None:
    assert set(rows()) == set(keys())


@pytest.mark.parametrize("key", keys())
def test_key(key: str) -> None:
    about, (default, bounds, _) = keys()[key], rows()[key]
    expected = about.get("default", BEYOND_THE_SCHEMA.get(key))
    if default in {"", "none"}:
        assert expected is None
    else:
        assert value(default) == expected
        assert "default" in about or key in BEYOND_THE_SCHEMA
    ends = re.fullmatch(
        r"(?:0, )?([^ ]+(?: [KMG]iB)?) to ([^ ]+(?: [KMG]iB)?)(?: s| bytes)?", bounds
    )
    if ends is None:
        assert range_of(about) is None
        longest = re.fullmatch(r"(\d+) bytes", bounds)
        assert (about.get("maxLength") if longest else "") == (
            int(longest[1]) if longest else bounds
        )
    else:
        assert (number(ends[1]), number(ends[2])) == range_of(about)
    assert bounds.endswith(" s") == (key.endswith(("_seconds", "_timeout")))


def test_required_keys_say_so() -> None:
    required = {f"services[].{key}" for key in SCHEMA["$defs"]["service"]["required"]}
    required |= {f"auth.keys[].{key}" for key in SCHEMA["$defs"]["static_key"]["required"]}
    required |= {f"rules[].{key}" for key in SCHEMA["$defs"]["rule"]["required"]}
    required |= {"services", "sqlite db_type", "mysql db_name", "mysql db_user"}
    for key, (_, _, meaning) in rows().items():
        assert ("required" in meaning) == (key in required), key
