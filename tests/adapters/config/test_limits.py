"""The configuration's `limits`: read, refused, and in force."""

from __future__ import annotations

from dataclasses import fields

import pytest

from sharedstate_anyio import parse_config, serve
from sharedstate_anyio.config.limits import RANGES, TransportLimits
from sharedstate_backends import ConfigurationError
from sharedstate_core import Limits
from tests.support.peer import ClosedError, open_client

SERVICES = [{"name": "m", "module": "items_service", "config": {"db_type": "sqlite"}}]


def parse(limits: object) -> Limits:
    return parse_config({"services": SERVICES, "limits": limits}).limits


def test_what_is_left_out_keeps_its_default() -> None:
    assert parse({}) == Limits()
    assert parse({"items": 5, "drain_seconds": 2.5}) == Limits(items=5, drain_seconds=2.5)


def test_every_limit_of_a_peer_has_a_key() -> None:
    internal = {"group", "retry_seconds"}
    known = {field.name for limits in (Limits, TransportLimits) for field in fields(limits)}
    assert known == RANGES.keys() | internal


@pytest.mark.parametrize("key", RANGES)
def test_the_default_is_in_the_range(key: str) -> None:
    default = getattr(Limits() if hasattr(Limits(), key) else TransportLimits(), key)
    minimum, maximum, _ = RANGES[key]
    if default is not None:
        config = parse_config({"services": SERVICES, "limits": {key: default}})
        assert (config.limits, config.transport) == (Limits(), TransportLimits())
    config = parse_config({"services": SERVICES, "limits": {key: maximum}})
    assert (config.limits, config.transport) != (Limits(), TransportLimits()) or default == maximum
    for wrong in (minimum - 1, maximum + 1):
        with pytest.raises(ConfigurationError, match=key):
            parse({key: wrong})


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ([], "limits: expected an object"),
        ({"itmes": 1}, 'limits.itmes: unknown key; did you mean "items"?'),
        ({"items": 0}, "limits.items: expected a whole number from 1 to 1000000, found 0"),
        ({"items": True}, "found true"),
        ({"items": 1.5}, "found 1.5"),
        ({"items": "9"}, 'found "9"'),
        ({"id_bytes": 256}, "from 8 to 255, found 256"),
        ({"drain_seconds": None}, "limits.drain_seconds: expected a number"),
    ],
)
def test_faults(limits: object, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(limits)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_limit_is_in_force_and_its_breach_is_answered() -> None:
    config = parse_config(
        {
            "service": {"port": 0},
            "services": SERVICES,
            "limits": {"items": 2, "subscriptions": 1, "message_bytes": 1024},
        }
    )
    async with serve(config) as server:
        async with open_client(server.port) as client:
            three = {"insert": [{"id": name} for name in "abc"]}
            refused = await client.ask("PUT", "/a/m/c", three)
            assert refused["error"]["code"] == "too_many"
            both = {"insert": [["/a/m/c", {}], ["/a/m/d", {}]]}
            reply = await client.ask("PUT", "/subs", both)
            assert [path for path, _ in reply["data"]] == ["/a/m/c"]
            assert [(path, e["code"]) for path, e in reply["errors"]] == [("/a/m/d", "too_many")]
            assert await client.put("/a/m/c", {"insert": [{"id": "a"}, {"id": "b"}]}) == 2
        async with open_client(server.port) as client:
            await client.send("PUT", "/a/m/c", {"insert": [{"id": "a", "text": "x" * 1024}]})
            with pytest.raises(ClosedError) as closed:
                await client.message()
            assert closed.value.code == 1009
