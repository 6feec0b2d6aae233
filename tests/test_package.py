"""What people install: a wheel built from a clean copy of the sources holds what it should, and serves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sharedstate_anyio.http import site
from tests.support.peer import open_client, open_peer
from tests.support.services.command import started

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "sharedstate_core/": "sharedstate_core/",
    "adapters/sharedstate_anyio/": "sharedstate_anyio/",
    "backends/sharedstate_backends/": "sharedstate_backends/",
    "libs/": "sharedstate_anyio/libs/",
}
"""Where the wheel's files come from, and where they go."""

COMMANDS = {
    "sharedstate-anyio": "serve",
    "sharedstate-server": "serve",
    "sharedstate": "command",
}
"""The programs, and the functions of `sharedstate_anyio.entry` that they call."""

BUNDLES = {*site.BUNDLES, *site.COMPANIONS}


def run(*command: str | Path, folder: Path) -> str:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module", autouse=True)
def no_search_path() -> Iterator[None]:
    """Have what is installed found, and not a checkout that `PYTHONPATH` names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONPATH", raising=False)
        yield


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of what is, or is about to be, under version control, and of nothing else."""
    listed = run(
        "git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", folder=ROOT
    ).split("\0")
    folder = tmp_path_factory.mktemp("sources")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(sources: Path) -> Path:
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", folder=sources)
    (built,) = (sources / "dist").iterdir()
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a fresh virtual environment with the wheel; its dependencies are those of the tests."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder)
    python = folder / "bin" / "python"
    purelib = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = Path(run(python, "-c", purelib, folder=folder).strip())
    # A path file adds the folder only: path files in there, of editable installations, do not count.
    (own / "dependencies.pth").write_text(sysconfig.get_path("purelib") + os.linesep)
    pip = (sys.executable, "-m", "pip", "--python", python)
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, folder=folder)
    return folder


def test_the_wheel_holds_the_packages_and_nothing_else(sources: Path, wheel: Path) -> None:
    expected = {
        str(file.relative_to(sources)).replace(origin, target, 1)
        for origin, target in PACKAGES.items()
        for file in (sources / origin).rglob("*")
        if file.is_file()
    }
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    information = {name for name in names if ".dist-info/" in name}
    assert names - information == expected
    assert {name.partition(".dist-info/")[2] for name in information} == {
        "METADATA",
        "WHEEL",
        "RECORD",
        "entry_points.txt",
        "licenses/LICENSE",
    }
    for package in ("sharedstate_core", "sharedstate_anyio", "sharedstate_backends"):
        assert f"{package}/py.typed" in names
    assert {f"sharedstate_anyio/libs/{name}" for name in BUNDLES} <= names
    assert "sharedstate_anyio/pages/index.html" in names
    assert not [name for name in names if "test_" in name or "node_modules" in name]


def test_what_it_says_of_itself(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (prefix,) = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        metadata = archive.read(f"{prefix}/METADATA").decode()
        entry_points = archive.read(f"{prefix}/entry_points.txt").decode()
    for command, function in COMMANDS.items():
        assert f"{command} = sharedstate_anyio.entry:{function}\n" in entry_points
    assert "[sharedstate.services]\nitems_service = sharedstate_backends.items_service" in (
        entry_points
    )
    for line in ("Name: sharedstate", "License-Expression: BSD-2-Clause", "License-File: LICENSE"):
        assert f"\n{line}\n" in metadata
    assert "Requires-Dist: trio<1,>=0.32; extra == 'trio'" in metadata
    assert "\nRequires-Dist: asyncmy<0.3,>=0.2.18\n" in metadata, (
        "a service in MariaDB needs no extra"
    )


def test_both_names_of_the_server_are_one_program(installed: Path, tmp_path: Path) -> None:
    names = [name for name, function in COMMANDS.items() if function == "serve"]
    assert len(names) == 2
    (told,) = {run(installed / "bin" / name, "--help", folder=tmp_path) for name in names}
    assert "sharedstate-anyio" in told


async def fetch(port: int, target: str) -> bytes:
    async with open_peer(port) as peer:
        await peer.send(
            f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )
        head, _, body = (await peer.receive_all()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    return body


async def test_it_serves_from_an_empty_folder(
    installed: Path, sources: Path, tmp_path: Path, anyio_backend_name: str
) -> None:
    where = "import sharedstate_anyio as a, sharedstate_core as c; print(a.__file__, c.__file__)"
    python = installed / "bin" / "python"
    found = run(python, "-c", where, folder=tmp_path).split()
    assert all(Path(file).is_relative_to(installed) for file in found)
    program = installed / "bin" / "sharedstate-anyio"
    options = ("--port", "0", "--loop", anyio_backend_name)
    with started(*options, folder=tmp_path, program=program) as command:
        assert b"SharedState" in await fetch(command.port, "/")
        for name in BUNDLES:
            body = await fetch(command.port, f"/libs/{name}")
            assert body == (sources / "libs" / name).read_bytes()
        async with open_client(command.port) as client:
            await client.subscribe("/app/items/c")
            await client.notification()
            assert await client.put("/app/items/c", {"insert": [{"id": "a"}]}) == 1
            assert (await client.notification())["data"]["insert"] == [{"id": "a"}]
            client.peer.shut()
