"""Every example in the documentation is run: a block of a kind nobody runs here is a failure."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from jsonschema import Draft202012Validator

from sharedstate_anyio import parse_config
from sharedstate_anyio.config.schema import schema
from sharedstate_anyio.storage.plugins import ENTRY_POINT_GROUP
from tests.kill_list import PLANTED
from tests.support.peer import open_client
from tests.support.services.command import started
from tests.support.services.servers import Service, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.services.mariadb import MariaDb

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    str(file.relative_to(ROOT))
    for folder in (ROOT, ROOT / "docs", ROOT / "js-client")
    for file in folder.glob("*.md")
)
RUN_IN_BROWSER = {
    ("README.md", "html"),
    ("README.md", "js"),
    ("docs/filters.md", "html"),
    ("docs/filters.md", "js"),
    ("docs/filters.md", "jsx"),
    ("docs/javascript-client.md", "js"),
    ("docs/javascript-client.md", "jsx"),
    ("docs/javascript-client.md", "svelte"),
    ("docs/javascript-client.md", "vue"),
    ("docs/tutorial.md", "html"),
    ("docs/tutorial.md", "js"),
    ("docs/users-and-rights.md", "html"),
    ("docs/writing.md", "html"),
    ("docs/writing.md", "js"),
    ("js-client/README.md", "javascript"),
}
"""Run by tests/browser and by the tests of the guides, such as test_filters_guide.py, against a real server."""
RUN_BY_THE_GUIDE = {
    ("docs/operating.md", "ini"),
    ("docs/operating.md", "nginx"),
    ("docs/operating.md", "caddyfile"),
    ("docs/operating.md", "haproxy"),
    ("docs/operating.md", "logrotate"),
    ("docs/operating.md", "fail2ban"),
    ("docs/operating.md", "jsonl"),
}
"""Run by test_operating_guide.py; scripts in that page which begin with other commands, by test_backup_guide.py."""
RUN_BY_THE_PROTOCOL = {("PROTOCOL.md", "jsonl")}
"""Run by test_protocol.py."""
RUN_HERE = {"sh", "json", "toml", "python", "patch", "sql", "text", ""}
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Return the port of a server with the embedded default, which the examples expect at 9000."""
    with started("--port", "0", folder=tmp_path_factory.mktemp("server")) as server:
        yield server.port


class Block(NamedTuple):
    page: str
    line: int
    language: str
    text: str


def blocks() -> list[Block]:
    found = []
    for page in PAGES:
        text = (ROOT / page).read_text("utf-8")
        for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, match.start()) + 1
            found.append(Block(page, line, match[1], match[2]))
    return found


def of(language: str) -> list[object]:
    chosen = [block for block in blocks() if block.language == language]
    return [pytest.param(block, id=f"{block.page}:{block.line}") for block in chosen]


def test_every_block_is_of_a_kind_that_is_run() -> None:
    others = {(block.page, block.language) for block in blocks() if block.language not in RUN_HERE}
    assert others == RUN_IN_BROWSER | RUN_BY_THE_GUIDE | RUN_BY_THE_PROTOCOL


def test_every_fence_is_seen() -> None:
    """None is indented, none is of tildes, and none has more to its name than a word."""
    for page in PAGES:
        fences = re.findall(r"^\s*(?:```|~~~)", (ROOT / page).read_text("utf-8"), re.MULTILINE)
        assert len(fences) == 2 * sum(block.page == page for block in blocks()), page


def anchors(text: str) -> set[str]:
    """Return what a link may point to in a page: its headings, as GitHub spells them."""
    prose = re.sub(r"(?ms)^```.*?^```$", "", text)
    headings = re.findall(r"(?m)^#+ (.*)$", prose)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links(page: str) -> None:
    """Each leads to a file of the repository and a heading in it."""
    for target in re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text("utf-8")):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        file = (ROOT / page).parent / name if name else ROOT / page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file.read_text("utf-8")), target


def test_only_pictures_and_patterns_are_plain_text() -> None:
    for block in blocks():
        if block.language == "text":
            assert re.search(r"[─│┌]", block.text), f"{block.page}:{block.line} is no picture"
        if block.language == "":
            assert re.search(r"^[→←]", block.text), f"{block.page}:{block.line} is no message"


@pytest.mark.parametrize("block", of("json"))
def test_configuration(block: Block) -> None:
    document = json.loads(block.text)
    config = parse_config(document)
    assert {service.name for service in config.services} <= {"items", "mitems"}
    assert not list(Draft202012Validator(schema()).iter_errors(document))


@pytest.mark.parametrize("block", of("python"))
def test_python(block: Block, port: int, tmp_path: Path) -> None:
    if block.page in {"docs/filters.md", "docs/users-and-rights.md"}:
        return  # test_filters_guide.py, test_users_guide.py
    save_files(block.page, tmp_path)
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", block.text.replace(":9000", f":{port}")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert not run.stderr


def save_files(page: str, folder: Path) -> None:
    """Put the blocks of a page that begin with the name of a file into files."""
    for block in blocks():
        name = re.match(r"# (\w+\.py)\n", block.text)
        if block.page == page and name:
            (folder / name[1]).write_text(block.text)


def test_own_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store of the page is that of our tests, passes the suite as the page says, and serves."""
    page = "docs/own-service.md"
    save_files(page, tmp_path)
    text = (tmp_path / "dictionary_backend.py").read_text().partition("\n")[2]
    assert text == (ROOT / "tests/backends/conformance/dictionary_backend.py").read_text()
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."],
        cwd=tmp_path,
        timeout=60,
        check=True,
    )
    (config,) = [b.text for b in blocks() if b.page == page and b.language == "json"]
    (tmp_path / "config.json").write_text(config)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with started("config.json", "--port", "0", folder=tmp_path) as server:
        put = ["put", f"localhost:{server.port}/a/items/c", '{"id": "milk"}']
        subprocess.run([BIN / "sharedstate", *put], timeout=60, check=True)


def test_fixtures_of_pytest_asyncio(tmp_path: Path) -> None:
    save_files("docs/python-client.md", tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = session\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "1 passed" in run.stdout, run.stdout + run.stderr


def test_own_service_in_a_file(tmp_path: Path) -> None:
    """All that the page says of a store that keeps its data, of one that does."""
    (block,) = [block for block in blocks() if "class TestFileBackend" in block.text]
    store = "from tests.backends.conformance.journal_backend import JournalBackend as FileBackend\n"
    (tmp_path / "test_file_backend.py").write_text(store + block.text)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    assert re.search(r"\d{3} passed, 6 skipped", run.stdout), run.stdout


@pytest.mark.parametrize("block", of("toml"))
def test_entry_point(block: Block) -> None:
    groups = tomllib.loads(block.text)["project"]["entry-points"]
    assert groups == {ENTRY_POINT_GROUP: {"dictionary": "dictionary_backend"}}


@pytest.mark.parametrize("block", of("sh"))
def test_shell(block: Block) -> None:
    if block.text.startswith(("sharedstate ", "sharedstate-anyio token ")) or block.page in {
        "docs/operating.md",
        "docs/moving.md",
        "docs/tutorial.md",
        "docs/users-and-rights.md",
    }:
        return  # below; adapters/server_command/test_token.py; test_backup_guide.py, test_moving.py and others here
    for command in block.text.splitlines():
        program, *arguments = command.split()
        if program == "npm":
            assert arguments == ["--prefix", "js-client", "test"]
            continue
        tries = {"make": ["make", "-n"], ".venv/bin/python": [sys.executable]}[program]
        run = subprocess.run(
            [*tries, *arguments, *(["--collect-only"] if "pytest" in arguments else [])],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("block", of("patch"))
def test_planted_bug(block: Block) -> None:
    assert block.text in PLANTED.read_text("utf-8")


def test_sharedstate(port: int, tmp_path: Path) -> None:
    """The commands of one block, one after the other, with a real server; the same block of two pages once."""
    commands = [block for block in blocks() if block.text.startswith("sharedstate ")]
    scripts = {block.text for block in commands if block.page != "docs/filters.md"}
    assert scripts
    for script in scripts:
        run = subprocess.run(
            ["sh", "-ec", script.replace(":9000", f":{port}")],
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        assert run.stdout == '{"id": "milk", "n": 1.10}\n'


@pytest.mark.parametrize("block", of("sql"))
async def test_rights_in_the_database(block: Block, shared_mariadb: MariaDb) -> None:
    """They are enough for a server."""
    shared_mariadb.sql(block.text)
    user = {"db_user": "myuser", "db_password": "mypassword"}
    config = shared_mariadb.config(db_socket=shared_mariadb.socket, **user)
    service: Service = {"name": "items", "module": "items_service", "config": config}
    async with running(service) as server, open_client(server.port) as client:
        assert await client.put("/app/items/c", {"insert": [{"id": "a"}]}) == 1
