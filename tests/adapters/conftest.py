"""For tests of the transport: what the server logs as an error fails the test that did not expect it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sharedstate_anyio.http.site import BUNDLES, COMPANIONS, Site
from tests.support.folders import make_public
from tests.support.logged import no_errors_logged
from tests.support.secure import authority
from tests.support.site import ITEMS, MEMORY

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["authority", "libs", "no_errors_logged", "site"]


@pytest.fixture(scope="session")
def libs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with bundles, and one file that is none."""
    folder = tmp_path_factory.mktemp("libs")
    for name in (*BUNDLES, *COMPANIONS):
        (folder / name).write_text(f"// {name} ✓\n", "utf-8")
    (folder / "secret.js").write_text("// not a bundle\n")
    return folder


@pytest.fixture
def public(tmp_path: Path) -> Path:
    """Return a folder to be served; what is not for everybody is beside it and in it."""
    return make_public(tmp_path)


@pytest.fixture(scope="session")
def site(libs: Path) -> Site:
    """Return a site with two services."""
    return Site([ITEMS, MEMORY], libs=libs)
