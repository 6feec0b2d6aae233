"""Certificates in the configuration: how they are spelled, and files that cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_anyio import parse_config
from sharedstate_anyio.config.listeners import Certificates
from sharedstate_anyio.net.tls import Tls
from sharedstate_backends import ConfigurationError
from tests.support.services.command import started
from tests.support.services.servers import document, write_config

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.secure import Authority


def spelled(**service: Any) -> Certificates | None:
    (listen,) = parse_config({**document(), "service": service}).listen
    return listen.ssl


def test_both_spellings() -> None:
    files = {"cert": "c.pem", "key": "k.pem"}
    assert spelled(ssl=files) == Certificates("c.pem", "k.pem")
    assert spelled(ssl={**files, "ca": "ca.pem"}) == Certificates("c.pem", "k.pem", "ca.pem")
    assert spelled(ssl={**files, "ca": None}) == Certificates("c.pem", "k.pem")
    flat = {"ssl.enabled": True, "ssl.key": "k.pem", "ssl.ca": None, "ssl.cert": "c.pem"}
    assert spelled(**flat) == Certificates("c.pem", "k.pem")
    assert spelled(**{**flat, "ssl.enabled": False}) is None
    off = {"ssl.enabled": False, "ssl.key": None, "ssl.ca": None, "ssl.cert": None}
    assert spelled(**off) is None
    assert spelled(**{"ssl.key": None}) is None
    assert spelled(ssl=None) is None
    assert spelled() is None


@pytest.mark.parametrize(
    ("service", "place"),
    [
        ({"ssl": True}, "service.ssl: expected an object"),
        ({"ssl": {"key": "k"}}, "service.ssl.cert: is missing"),
        ({"ssl": {"cert": "c"}}, "service.ssl.key: is missing"),
        ({"ssl": {"cert": "c", "key": "k", "kye": 1}}, "service.ssl.kye: unknown key"),
        ({"ssl": {"cert": "c", "key": 7}}, "service.ssl.key: expected the name of a PEM file"),
        ({"ssl": {"cert": "", "key": "k"}}, "service.ssl.cert: expected the name"),
        ({"ssl": {"cert": "c", "key": "k", "ca": ["x"]}}, "service.ssl.ca: expected the name"),
        ({"ssl": {"cert": "c\0", "key": "k"}}, "service.ssl.cert: expected the name"),
        (
            {"ssl.enabled": True, "ssl.key": "k"},
            "service.ssl.cert: expected the name of a PEM file, found null",
        ),
        ({"ssl.enabled": "yes"}, "service.ssl.enabled: expected true or false"),
        ({"ssl.enabled": None, "ssl.cert": "c"}, "service.ssl.enabled: expected true or false"),
        ({"ssl.cert": "c", "ssl.key": "k"}, "service.ssl.enabled: is missing"),
        (
            {"ssl": {"cert": "c", "key": "k"}, "ssl.enabled": True},
            "service.ssl.enabled: cannot be combined",
        ),
        ({"ssl.cret": "c"}, 'service.ssl.cret: unknown key; did you mean "ssl.cert"'),
    ],
)
def test_faults(service: dict[str, object], place: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        spelled(**service)
    assert str(caught.value).startswith(place), caught.value
    assert str(caught.value).isprintable()


def test_files_that_cannot_be_used(authority: Authority, tmp_path: Path) -> None:
    good, other = authority.write(), authority.write("other")
    cert, key = str(good["cert"]), str(good["key"])
    (tmp_path / "empty").write_text("")
    encrypted = tmp_path / "encrypted"
    encrypted.write_bytes(_encrypted(key))
    damaged = tmp_path / "damaged"
    damaged.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    missing, empty = str(tmp_path / "missing"), str(tmp_path / "empty")
    for files, place in [
        (Certificates(missing, key), "service.ssl.cert: cannot be read: No such file"),
        (Certificates(cert, missing), "service.ssl.key: cannot be read: No such file"),
        (Certificates(str(tmp_path), key), "service.ssl.cert: cannot be read: Is a directory"),
        (Certificates(empty, key), "service.ssl.cert: holds no certificate"),
        (Certificates(key, key), "service.ssl.cert: holds no certificate"),
        (Certificates(cert, cert), "service.ssl.key: holds no private key"),
        (Certificates(str(damaged), key), "service.ssl.cert: does not match"),
        (Certificates(cert, str(other["key"])), "service.ssl.cert: does not match the key"),
        (Certificates(cert, str(encrypted)), "service.ssl.key: is encrypted"),
        (Certificates(cert, key, missing), "service.ssl.ca: cannot be read"),
        (Certificates(cert, key, empty), "service.ssl.ca: holds no certificate"),
        (Certificates(cert, key, str(damaged)), "service.ssl.ca: holds no certificate"),
    ]:
        with pytest.raises(ConfigurationError) as caught:
            Tls(files)
        assert str(caught.value).startswith(place), caught.value
        assert str(caught.value).isprintable()


def _encrypted(name: str) -> bytes:
    from cryptography.hazmat.primitives import serialization

    with open(name, "rb") as file:  # noqa: PTH123
        key = serialization.load_pem_private_key(file.read(), None)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )


async def test_a_bad_file_at_the_start_is_one_line(authority: Authority, tmp_path: Path) -> None:
    base = document()
    files = {**authority.write(), "key": "missing.key"}
    service = {**base["service"], "ssl": files}  # type: ignore[dict-item]
    write_config(tmp_path, {**base, "service": service})
    with started("config.json", folder=tmp_path) as command:
        assert await command.finished() == 2
    (line,) = command.errors.splitlines()
    assert "service.ssl.key: cannot be read" in line
    assert command.output == ""
