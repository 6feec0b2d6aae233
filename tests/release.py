"""The last step of `make release`: what lies in the folder is whole, is of one version, and says what it is made of.

Usage: python -m tests.release dist
"""

from __future__ import annotations

import hashlib
import json
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import Version

from sharedstate_anyio.version import full_version

from .test_requirements import pins


def main(folder: Path) -> None:
    """Check the folder; tell what may be published, or what is wrong."""
    names = sorted(file.name for file in folder.iterdir())
    version = full_version()
    plain = Version(version).public
    wheel, archive = f"sharedstate-{version}-py3-none-any.whl", f"sharedstate-{version}.tar.gz"
    package = f"sharedstate-client-{plain}.tgz"
    expected = {wheel, archive, package, "sharedstate.cdx.json", "SHA256SUMS"}
    assert set(names) == expected, f"expected {sorted(expected)}, found {names}"
    check_sums(folder, expected - {"SHA256SUMS"})
    with zipfile.ZipFile(folder / wheel) as opened:
        assert opened.testzip() is None
    with tarfile.open(folder / archive) as unpacked:
        assert f"sharedstate-{version}/LICENSE" in unpacked.getnames()
    check_parts(json.loads((folder / "sharedstate.cdx.json").read_text()), version)
    print(f"{folder}/ has version {version}")
    if version != plain:
        print(f"It is no release: that is made of a clean checkout of the tag v{plain}.")


def check_sums(folder: Path, files: set[str]) -> None:
    """Compare the checksums, of all files but that with the sums."""
    told = {}
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        told[name] = digest
    found = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files}
    assert told == found


def check_parts(bill: Any, version: str) -> None:
    """Compare the bill of materials with the requirements; each part has a licence."""
    assert bill["bomFormat"] == "CycloneDX"
    assert str(Path(__file__).parents[1]) not in json.dumps(bill)
    parts = {canonicalize_name(part["name"]): part for part in bill["components"]}
    own = bill["metadata"]["component"]
    assert (own["name"], own["version"]) == ("sharedstate", version)
    expected = {
        name: pin.version
        for name, pin in pins("server").items()
        if pin.requirement.marker is None or pin.requirement.marker.evaluate()
    }
    assert {name: part["version"] for name, part in parts.items()} == expected
    unlicensed = [name for name, part in parts.items() if not part.get("licenses")]
    assert not unlicensed, unlicensed


if __name__ == "__main__":
    main(Path(sys.argv[1]))
