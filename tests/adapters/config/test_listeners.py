"""Listeners in the configuration and on the command line."""

from __future__ import annotations

import pytest

from sharedstate_anyio import parse_config
from sharedstate_anyio.config.listeners import Listen, override
from sharedstate_backends import ConfigurationError
from tests.support.services.servers import document


def where(service: object) -> tuple[Listen, ...]:
    return parse_config({**document(), "service": service}).listen


def test_the_forms_of_a_listener() -> None:
    assert where({}) == (Listen(),)
    assert where({"listen": [{}]}) == (Listen(),)
    assert where({"unix": "s"}) == (Listen(unix="s"),)
    assert where({"unix": "s", "mode": "640"}) == (Listen(unix="s", mode=0o640),)
    assert where({"listen": [{"port": 1}, {"unix": "s"}]}) == (Listen(port=1), Listen(unix="s"))


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ({"listen": []}, "service.listen: expected a list of at least one listener"),
        ({"listen": {}}, "service.listen: expected a list of at least one listener"),
        ({"listen": [{}], "port": 1}, 'service.port: cannot be combined with "listen"'),
        ({"listen": [{"port": "1"}]}, "service.listen[0].port: expected a whole number"),
        ({"listen": [{}, {"listen": []}]}, "service.listen[1].listen: unknown key"),
        ({"listen": [3]}, "service.listen[0]: expected an object"),
        ({"unix": "s", "port": 1}, 'service.port: cannot be combined with "unix"'),
        ({"unix": "s", "host": "a"}, 'service.host: cannot be combined with "unix"'),
        ({"unix": ""}, "service.unix: expected the path"),
        ({"unix": 3}, "service.unix: expected the path"),
        ({"unix": "a\0b"}, "service.unix: expected the path"),
        ({"unix": "\ud800"}, 'service.unix: expected the path of a UNIX socket, found "\\ud800"'),
        ({"unix": "x" * 108}, "service.unix: a path of a UNIX socket has at most 107 bytes"),
        ({"mode": "660"}, "service.mode: belongs to a UNIX socket"),
        ({"unix": "s", "mode": 660}, "service.mode: expected permissions"),
        ({"unix": "s", "mode": "668"}, "service.mode: expected permissions"),
        ({"unix": "s", "mode": "rw"}, "service.mode: expected permissions"),
    ],
)
def test_faults(service: object, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        where(service)
    assert str(caught.value).startswith(expected)
    assert str(caught.value).isprintable()


def test_the_command_line_stands_above_the_file() -> None:
    one = (Listen("a", 1),)
    assert override(one, None, None, None) == one
    assert override(one, "b", None, None) == (Listen("b", 1),)
    with pytest.raises(ConfigurationError, match="--host: a part between dots is empty"):
        override(one, "a..b", None, None)
    assert override(one, None, 0, None) == (Listen("a", 0),)
    assert override(one, None, None, "s") == (Listen(unix="s"),)
    assert override((Listen(unix="s"),), None, 5, None) == (Listen(port=5),)
    two = (*one, *one)
    assert override(two, None, None, None) == two
    for host, port in (("b", None), (None, 1)):
        with pytest.raises(ConfigurationError, match="several listeners"):
            override(two, host, port, None)
