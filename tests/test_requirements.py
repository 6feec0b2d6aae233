"""requirements/ against pyproject.toml, and against what these tests run with."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parents[1]
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())
FILES: Final = ("server", "dev", "tools")


class Pin(NamedTuple):
    requirement: Requirement
    version: str
    hashes: int


def pins(name: str) -> dict[str, Pin]:
    """Return what one of the files holds."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", " ")
    found: dict[str, Pin] = {}
    for line in text.splitlines():
        if line and not line.lstrip().startswith("#"):
            written, *hashes = re.split(r" +--hash=(?=sha256:[0-9a-f]{64}\b)", line.strip())
            requirement = Requirement(written)
            (exact,) = requirement.specifier
            assert exact.operator == "==", line
            found[canonicalize_name(requirement.name)] = Pin(
                requirement, exact.version, len(hashes)
            )
    return found


def wanted(name: str) -> list[Requirement]:
    """Return what pyproject.toml asks for, of what one of the files is made for."""
    groups = PROJECT["dependency-groups"]
    if name == "tools":
        texts = groups["tools"]
    else:
        texts = [*PROJECT["project"]["dependencies"]]
        for extra in PROJECT["project"]["optional-dependencies"].values():
            texts += extra
        texts += groups["dev"] if name == "dev" else []
    return [Requirement(text) for text in texts]


@pytest.mark.parametrize("name", FILES)
def test_it_has_what_is_asked_for(name: str) -> None:
    """`make requirements` makes it anew."""
    have = pins(name)
    for requirement in wanted(name):
        assert requirement.specifier.contains(have[canonicalize_name(requirement.name)].version)


@pytest.mark.parametrize("name", FILES)
def test_every_file_has_a_hash_and_no_place(name: str) -> None:
    assert all(pin.hashes for pin in pins(name).values())
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert "://" not in text
    assert not re.search(r"^ *--(?!hash)", text, re.MULTILINE)


def test_the_tests_run_with_what_a_server_has() -> None:
    server, dev = pins("server"), pins("dev")
    assert {name: pin.version for name, pin in server.items()} == {
        name: dev[name].version for name in server
    }


def test_these_tests_do() -> None:
    """What is installed is what the file says; `make .stamps/dev` installs it."""
    for name, (requirement, version, _) in pins("dev").items():
        if requirement.marker is None or requirement.marker.evaluate():
            assert metadata.version(name) == version, name


def test_whatever_a_major_version_would_break_has_an_upper_bound() -> None:
    """Those of which more is used than what they promise to keep; see the comments there."""
    bounded = {
        requirement.name
        for requirement in wanted("server")
        if any(each.operator == "<" for each in requirement.specifier)
    }
    without = {requirement.name for requirement in wanted("server")} - bounded
    assert without == {"idna", "typing-extensions", "uvloop"}
