"""Keys of other versions' configurations: each is told with what stands for it."""

from __future__ import annotations

import pytest

from sharedstate_anyio import ConfigurationError, load_config, parse_config
from sharedstate_anyio.config import other_keys
from sharedstate_anyio.storage.plugins import build_backends
from sharedstate_backends.items_service import KINDS
from tests.support.services.servers import Service, document, sqlite


def told(config: object) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        build_backends(parse_config(config))
    return {each.key: each.problem for each in caught.value.each}


def test_a_whole_configuration_of_another_version() -> None:
    service = {"name": "items", "module": "items_service", "description": "in MySQL"}
    found = told(
        {
            "service": {"host": "::", "port": 1, "http_log": "a", "ws_log": "b", "ssl_key": "c"},
            "stores": [service],
        }
    )
    assert found == {
        "stores": 'unknown key; it is called "services", with "module": "items_service"',
        **{
            f"service.{key}": f"unknown key; {other_keys.DOCUMENT[key].advice}"
            for key in ("http_log", "ws_log", "ssl_key")
        },
    }


def test_keys_of_a_service() -> None:
    config: dict[str, object] = {"db_type": "sqlite", **dict.fromkeys(other_keys.SERVICE, 1)}
    service = sqlite() | {"config": config}
    assert told(document(service)) == {
        f"services[0].config.{key}": f"unknown key; {other.advice}"
        for key, other in other_keys.SERVICE.items()
    }


def test_a_service_of_ones_own_may_have_such_keys() -> None:
    config = {"name": "a", "ssl_key": 1}
    service: Service = {
        "name": "a",
        "module": "tests.support.faults.faulty_service",
        "config": config,
    }
    build_backends(parse_config(document(service)))


def test_what_is_named_exists() -> None:
    assert {other.key for other in other_keys.SERVICE.values()} - {None} <= KINDS.keys()
    assert not other_keys.SERVICE.keys() & KINDS.keys()
    names = {other.key for other in other_keys.DOCUMENT.values()} - {None}
    assert names == {"services"}
    assert load_config(None).services
