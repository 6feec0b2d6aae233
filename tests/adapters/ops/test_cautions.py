"""What works and should not stay as it is: one line each, at the start and in `check`."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme
from cryptography import x509

from sharedstate_anyio import parse_config, serve
from sharedstate_anyio.net.expiry import expires
from sharedstate_anyio.ops.cautions import ROOT
from tests.support.asking import numbers
from tests.support.faults.broken_storage import NOBODY, as_server
from tests.support.services.command import INSTALLED, started
from tests.support.services.servers import document, listening, sqlite, until, write_config

if TYPE_CHECKING:
    from tests.support.secure import Authority


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    caplog.clear()
    return found


def certificate(folder: Path, left: timedelta) -> dict[str, object]:
    """Write a certificate that has so long left; return the configuration's `ssl`."""
    end = datetime.now(UTC) + left
    issued = trustme.CA().issue_cert("localhost", not_before=end - timedelta(400), not_after=end)
    files = {"cert": folder / "it.pem", "key": folder / "it.key"}
    files["cert"].write_bytes(issued.cert_chain_pems[0].bytes())
    files["key"].write_bytes(issued.private_key_pem.bytes())
    return {kind: str(file) for kind, file in files.items()}


async def test_open_to_anybody(caplog: pytest.LogCaptureFixture, authority: Authority) -> None:
    async with serve(listening({"host": "0.0.0.0", "port": 0}, {"host": "127.0.0.1", "port": 0})):
        (line,) = warnings(caplog)
        assert line.startswith("whoever reaches 0.0.0.0 port ")
    secured = authority.write()
    async with serve(listening({"host": "0.0.0.0", "port": 0, "ssl": secured})):
        assert len(warnings(caplog)) == 1
    known = {**secured, "ca": authority.file}
    async with serve(listening({"host": "0.0.0.0", "port": 0, "ssl": known}, {"host": "::1"})):
        assert not warnings(caplog)


USER = {"path": "/*/item*/*", "read": "user != null"}
KEYS = {"keys": [{"sha256": "0" * 64, "user": {"id": "bot"}}]}
STAMP = {"path": "/*/*/*", "write": True, "stamp": {"insert": {"by": "user.id"}}}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"auth": KEYS}, '"auth" without "rules": everybody, signed in or not, may read and'),
        ({"auth": {**KEYS, "required": True}}, '"auth" without "rules": whoever signs in may read'),
        ({"rules": [{"path": "/a/*/*", "read": True}, USER]}, '"rules" without "auth": they look'),
        ({"rules": [STAMP]}, '"rules" without "auth": they look at `user`, and nobody can sign in'),
        ({"rules": [{"path": "/*/*/*", "read": True}]}, ""),
        ({"auth": KEYS, "rules": [USER]}, ""),
    ],
)
async def test_users_without_rules_and_rules_without_users(
    more: dict[str, object], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    config = parse_config({**document(), **more})
    async with serve(config):
        found = warnings(caplog)
    assert len(found) == (1 if said else 0)
    assert all(line.startswith(said) for line in found)


def test_check_tells_of_rules_that_nothing_fits(tmp_path: Path) -> None:
    paths = ("/a/item/*", "/a/*/*", "/a/items/x", "/a/x{service}/*")
    config = {**document(sqlite()), "rules": [{"path": path, "read": True} for path in paths]}
    with started("check", write_config(tmp_path, config), folder=tmp_path) as command:
        assert command.finish() == 0
    first, second = command.errors.splitlines()[:2]
    assert first.endswith("rules[0].path: no service fits /a/item/*; there is items")
    assert second.endswith("rules[3].path: no service fits /a/x{service}/*; there is items")
    del config["rules"]
    name = write_config(tmp_path, {**config, "auth": KEYS})
    with started("check", name, folder=tmp_path) as command:
        assert command.finish() == 0
    assert '"auth" without "rules"' in command.errors


async def test_a_certificate_that_expires(
    caplog: pytest.LogCaptureFixture, tmp_path: Path, authority: Authority
) -> None:
    listen = {"host": "127.0.0.1", "port": 0}
    for left, said in ((3, "expires in 3.0 days, on "), (-1, "has expired, on ")):
        files = certificate(tmp_path, timedelta(days=left, minutes=1))
        plain = {"host": "127.0.0.1", "port": 0}
        async with serve(listening(plain, {**listen, "ssl": files})) as server:
            (line,) = warnings(caplog)
            assert line.startswith(f"service.listen[1].ssl.cert: {said}")
            assert line.endswith(" UTC; renew it, and send the server SIGHUP")
            found = await numbers(server.port)
            assert found["certificate_days_left{service.listen[1].ssl}"] == pytest.approx(
                left, abs=0.1
            )
            server.reload()
            assert len(warnings(caplog)) == 1
            certificate(tmp_path, timedelta(days=90))
            server.reload()
            assert not warnings(caplog)
            found = await numbers(server.port)
            assert found["certificate_days_left{service.listen[1].ssl}"] == pytest.approx(
                90, abs=0.1
            )


@pytest.mark.parametrize("year", [2031, 2049, 2050, 2120])
def test_the_end_of_a_certificate_as_others_read_it(year: int) -> None:
    """Up to 2049 it is written otherwise than later."""
    end = datetime(year, 3, 4, 5, 6, 7, tzinfo=UTC)
    ca = trustme.CA()
    pem = ca.issue_cert("a.example", not_after=end).cert_chain_pems[0].bytes()
    assert x509.load_pem_x509_certificate(pem).not_valid_after_utc == end
    assert expires(pem.decode()) == end.timestamp()
    assert expires(ca.cert_pem.bytes().decode() + pem.decode()) == min(
        end.timestamp(),
        x509.load_pem_x509_certificate(ca.cert_pem.bytes()).not_valid_after_utc.timestamp(),
    )


def test_what_is_no_certificate() -> None:
    assert expires("") is None
    for der in (b"", b"0", b"\x30\x03\x02\x01\x05", bytes(100)):
        assert expires(ssl.DER_cert_to_PEM_cert(der)) is None


def test_check_tells_them_too(tmp_path: Path) -> None:
    files = certificate(tmp_path, timedelta(days=3))
    config = document(sqlite())
    config["service"] = {"host": "0.0.0.0", "port": 9000, "ssl": files}
    with started("check", write_config(tmp_path, config), folder=tmp_path) as command:
        assert command.finish() == 0
    first, second = command.errors.splitlines()
    assert first.startswith("sharedstate-anyio: warning: whoever reaches 0.0.0.0 port 9000 may ")
    assert second.startswith("sharedstate-anyio: warning: service.ssl.cert: expires in 3.0 days")


@pytest.mark.skipif(os.geteuid() != 0, reason="does not run as root")
async def test_as_root(tmp_path: Path) -> None:
    write_config(tmp_path, document(sqlite()))
    checked = subprocess.run(
        [INSTALLED, "check", "config.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert checked.stderr == f"sharedstate-anyio: warning: {ROOT}\n"
    log = tmp_path / "log"
    with started("config.json", folder=tmp_path, log=log) as command:
        assert command.port
        await until(lambda: ROOT in log.read_text())
    assert log.read_text().count(ROOT) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="does not run as root")
def test_check_by_root_leaves_nothing_that_the_server_cannot_use() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data").mkdir()
        for each in (folder, folder / "data"):
            os.chown(each, NOBODY, NOBODY)
        write_config(folder, document(sqlite("items", "data/items.db")))
        file = folder / "data/items.db"
        with started("check", "config.json", folder=folder) as command:
            assert command.finish() == 0, command.errors
        assert not file.exists()
        with started("config.json", folder=folder) as command:
            command.says("Ctrl-C")
            command.send(signal.SIGTERM)
            assert command.finish() == 0, command.errors
        assert (file.stat().st_uid, file.stat().st_mode & 0o777) == (NOBODY, 0o600)
        program, *words = as_server()
        arguments = [*words, str(INSTALLED), "check", "config.json"]
        with started(*arguments, folder=folder, program=Path(program)) as command:
            assert command.finish() == 0, command.errors
        os.chown(file, 0, 0)
        with started("check", "config.json", folder=folder) as command:
            assert command.finish() == 1
        assert command.errors == (
            f"sharedstate-anyio: services[0]: {file} belongs to user root, its folder to nobody, who may not "
            f"write it: chown nobody {file}\n"
        )
