"""The configuration's `files`: what is refused, and what `check` says of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from sharedstate_anyio import Config, parse_config
from sharedstate_anyio.config.config import load_config
from sharedstate_anyio.config.exposure import check_folders
from sharedstate_anyio.config.folders import OWN
from sharedstate_anyio.http.site import Site
from sharedstate_backends import ConfigurationError
from tests.support.folders import serving
from tests.support.services.command import started
from tests.support.services.servers import document, sqlite, write_config

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ([], ["files: ", "expected an object", "a list"]),
        ({"docs": "x"}, ["files.docs: ", "expected a path"]),
        ({"": "x"}, ['files[""]: ', "expected a path"]),
        ({"//": "x"}, ['files["//"]: ', "expected a path"]),
        ({"/a//b": "x"}, ["expected a path"]),
        ({"/../": "x"}, ["expected a path"]),
        ({"/a?b": "x"}, ["expected a path"]),
        ({"/": 7}, ['files["/"]: ', "name of a folder", "7"]),
        ({"/": ""}, ["name of a folder"]),
        ({"/a": "x", "/a/": "y"}, ['files["/a/"]: ', "twice"]),
        ({"/libs/": "x"}, ['files["/libs/"]: the server itself answers at /libs; choose another']),
        ({"/a": "x", "/metrics": "y"}, ['files["/metrics"]: the server itself answers at /met']),
    ],
)
def test_a_mistake_is_told_with_its_place(value: object, parts: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_config({**document(), "files": value})
    assert all(part in str(caught.value) for part in parts), str(caught.value)


def test_nothing_of_the_servers_own_is_forgotten() -> None:
    """What a folder may not be called is where the server answers, whatever folders there are."""
    kept = {f"/{path.split('/')[1]}" for path in Site([])._resources if path != "/"}
    assert {*kept, "/metrics", "/readyz"} == set(OWN)


def test_below_and_beside_the_servers_own() -> None:
    for path in ("/libs/mine/", "/library", "/my/metrics", "/pages2"):
        assert parse_config({**document(), "files": {path: "x"}}).files


async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("absent", "file"):
        with pytest.raises(ConfigurationError, match=r'files\["/"\]: there is no folder'):
            async with serving(tmp_path / name):
                pass


@pytest.mark.parametrize("name", ["data/a.db", "public/data/a.db", "public/.data/a.db"])
def test_a_database_is_not_served(tmp_path: Path, name: str) -> None:
    (tmp_path / "public" / "data").mkdir(parents=True)
    (tmp_path / "link").symlink_to("public")
    service = sqlite("items", tmp_path / name)
    found = parse_config({**document(service), "files": {"/": str(tmp_path / "link")}})
    if name != "public/data/a.db":
        check_folders(found)
        return
    with pytest.raises(ConfigurationError, match=r"everybody could read the database of serv"):
        check_folders(found)


@pytest.mark.parametrize("module", ["sharedstate_backends.items_service", "somebody.elses"])
def test_a_database_is_not_served_whatever_its_service_is_called(
    tmp_path: Path, module: str
) -> None:
    service = sqlite("items", tmp_path / "a.db") | {"module": module}
    found = parse_config({**document(service), "files": {"/": str(tmp_path)}})
    with pytest.raises(ConfigurationError, match=r"everybody could read the database of serv"):
        check_folders(found)


def test_a_key_for_the_database_is_not_served(tmp_path: Path) -> None:
    service = {"name": "items", "module": "items_service"}
    config = {"db_type": "mysql", "db_name": "d", "ssl.key": str(tmp_path / "k.pem")}
    found = parse_config({**document({**service, "config": config}), "files": {"/": str(tmp_path)}})
    with pytest.raises(ConfigurationError, match=r"everybody could read the key of services\[0\]"):
        check_folders(found)


def test_a_key_is_not_served(tmp_path: Path) -> None:
    listen = {"host": "127.0.0.1", "ssl": {"cert": "c.pem", "key": str(tmp_path / "k.pem")}}
    found = parse_config({**document(), "service": listen, "files": {"/": str(tmp_path)}})
    with pytest.raises(ConfigurationError, match=r"everybody could read the key of service.ssl"):
        check_folders(found)


def test_the_configuration_itself_is_not_served(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({**document(), "files": {"/": str(tmp_path)}}))
    with pytest.raises(ConfigurationError, match=r"everybody could read this configuration"):
        load_config(file)


def test_check_tells_what_is_wrong(tmp_path: Path) -> None:
    folders = {"/": ".", "/docs/": "absent"}
    name = write_config(tmp_path, {**document(), "files": folders})
    with started("check", name, folder=tmp_path) as command:
        assert command.finish() == 2
    assert 'files["/"]: everybody could read this configuration' in command.errors
    assert 'files["/docs/"]: there is no folder "absent"; create it' in command.errors


def test_check_tells_what_is_served(tmp_path: Path) -> None:
    (tmp_path / "public").mkdir()
    name = write_config(tmp_path, {**document(), "files": {"/": "public"}})
    with started("check", name, folder=tmp_path) as command:
        assert command.finish() == 0
    assert 'ok: files["/"]: public\n' in command.output


def test_folders_of_a_program(tmp_path: Path) -> None:
    found = Config(files={"/docs": tmp_path})
    assert found.files == {"/docs/": str(tmp_path)}
    with pytest.raises(ConfigurationError):
        Config(files={"docs": tmp_path})
