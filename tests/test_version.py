"""The version: written once, told everywhere, and with the commit where there is one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Final

import pytest
from packaging.version import Version

import sharedstate_anyio
import sharedstate_anyio.client
import sharedstate_core
from sharedstate_anyio import version
from sharedstate_anyio.version import with_commit
from tests.support.services.command import started
from tests.support.services.servers import until

ROOT: Final = Path(__file__).parents[1]
RELEASE: Final = sharedstate_core.__version__
AUTHOR: Final = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "tag.gpgSign=false")


def git(folder: Path, *arguments: str) -> str:
    command = ("git", *AUTHOR, "-C", str(folder), *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a checkout of one commit."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "file").write_text("a")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


# One place


def test_whatever_follows_says_the_same() -> None:
    package = json.loads((ROOT / "js-client" / "package.json").read_text())
    lock = json.loads((ROOT / "js-client" / "package-lock.json").read_text())
    assert {package["version"], lock["version"], lock["packages"][""]["version"]} == {RELEASE}
    source = (ROOT / "js-client" / "src" / "version.js").read_text()
    assert re.findall(r'export const version = "(.*)";', source) == [RELEASE]
    for bundle in (ROOT / "libs").glob("*.js"):
        assert bundle.read_text().startswith(f"/*! SharedState client {RELEASE}, "), bundle


def test_the_changelog_begins_with_it() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## (\S+)", text, re.MULTILINE)
    assert versions[0] == RELEASE
    assert versions == sorted(versions, key=Version, reverse=True)


def test_packages_say_it() -> None:
    full = version.full_version()
    assert full.partition("+")[0] == RELEASE
    assert sharedstate_anyio.__version__ == full
    assert sharedstate_anyio.client.__version__ == full
    with pytest.raises(AttributeError, match="__versoin__"):
        _ = sharedstate_anyio.client.__versoin__


@pytest.mark.parametrize("name", ["sharedstate-anyio", "sharedstate"])
def test_commands_say_it(name: str, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name(name)
    with started("--version", folder=tmp_path, program=program) as command:
        assert command.finish() == 0
    assert command.output == f"sharedstate {version.full_version()}\n"


def test_a_start_says_it(tmp_path: Path) -> None:
    with started("--port", "0", folder=tmp_path) as command:
        command.says(r"Ctrl-C")
    assert f" INFO SharedState {version.full_version()} listens on " in command.output


async def test_a_start_says_it_to_machines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with started("--port", "0", "--log-format", "json", folder=tmp_path, log=log):
        await until(lambda: '"ready"' in log.read_text())
    events = [json.loads(line) for line in log.read_text().splitlines()]
    (first,) = [event for event in events if event["event"] == "listening"]
    assert first["version"] == version.full_version()


# With the commit


def test_a_commit(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "--short=7", "HEAD")
    assert with_commit("1.2.3", checkout) == f"1.2.3+g{commit}"


def test_changes(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "--short=7", "HEAD")
    (checkout / "other").write_text("not of the checkout")
    assert with_commit("1.2.3", checkout) == f"1.2.3+g{commit}"
    (checkout / "file").write_text("b")
    assert with_commit("1.2.3", checkout) == f"1.2.3+g{commit}.dirty"
    git(checkout, "tag", "v1.2.3")
    assert with_commit("1.2.3", checkout) == f"1.2.3+g{commit}.dirty"


@pytest.mark.parametrize("options", [(), ("-a", "-m", "release")], ids=["light", "annotated"])
def test_the_release(checkout: Path, options: tuple[str, ...]) -> None:
    git(checkout, "tag", *options, "v1.2.3")
    assert with_commit("1.2.3", checkout) == "1.2.3"
    commit = git(checkout, "rev-parse", "--short=7", "HEAD")
    assert with_commit("1.2.4", checkout) == f"1.2.4+g{commit}"
    git(checkout, "commit", "--allow-empty", "-qm", "second")
    later = git(checkout, "rev-parse", "--short=7", "HEAD")
    assert with_commit("1.2.3", checkout) == f"1.2.3+g{later}"


def test_a_second_work_tree(checkout: Path) -> None:
    """Its `.git` is a file."""
    other = checkout.parent / "other"
    git(checkout, "worktree", "add", "-q", "--detach", str(other))
    commit = git(checkout, "rev-parse", "--short=7", "HEAD")
    assert with_commit("1.2.3", other) == f"1.2.3+g{commit}"


def test_in_a_hook_of_another_repository(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = git(checkout, "rev-parse", "--short=7", "HEAD")
    other = tmp_path / "elsewhere"
    other.mkdir()
    git(other, "init", "-q")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / "index"))
    assert with_commit("1.2.3", checkout) == f"1.2.3+g{commit}"


def test_without_git(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout))
    assert with_commit("1.2.3", checkout) == "1.2.3"


def test_without_a_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert with_commit("1.2.3", tmp_path) == "1.2.3"
    (tmp_path / ".git" / "HEAD").write_text("nonsense")
    assert with_commit("1.2.3", tmp_path) == "1.2.3"


def test_a_folder_within_a_checkout_of_something_else(checkout: Path) -> None:
    """As sources are that somebody unpacked into a project of their own."""
    (checkout / "inside").mkdir()
    assert with_commit("1.2.3", checkout / "inside") == "1.2.3"


def test_pip_takes_it_and_tells_it_apart(checkout: Path) -> None:
    (checkout / "file").write_text("b")
    full = with_commit("1.2.3", checkout)
    assert str(Version(full)) == full
    assert Version(full) > Version("1.2.3")


# Outside of a checkout


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        (RELEASE, RELEASE),
        (f"{RELEASE}+g88dd6d0", f"{RELEASE}+g88dd6d0"),
        ("0.0.1", RELEASE),
        (None, RELEASE),
    ],
)
def test_what_the_build_wrote_down_counts(
    installed: str | None, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(name: str) -> str:
        if installed is None:
            raise metadata.PackageNotFoundError(name)
        return installed

    monkeypatch.setattr(version, "SOURCES", tmp_path)
    monkeypatch.setattr(metadata, "version", told)
    assert version.full_version.__wrapped__() == expected


def test_what_is_built_has_it(tmp_path: Path) -> None:
    """The sources' archive and the wheel that is made of it without git; from a tag, the plain release."""
    folder = tmp_path / "copy"
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "all")
    commit = git(folder, "rev-parse", "--short=7", "HEAD")
    assert build(folder) == {
        f"sharedstate-{RELEASE}+g{commit}.tar.gz",
        f"sharedstate-{RELEASE}+g{commit}-py3-none-any.whl",
    }
    git(folder, "tag", f"v{RELEASE}")
    assert build(folder) == {
        f"sharedstate-{RELEASE}.tar.gz",
        f"sharedstate-{RELEASE}-py3-none-any.whl",
    }


def build(folder: Path) -> set[str]:
    """Build an archive, and a wheel of what is in it."""
    out = folder.parent / f"dist-{len(list(folder.parent.iterdir()))}"
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out)]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return {file.name for file in out.iterdir()}
