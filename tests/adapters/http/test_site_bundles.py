"""Where the bundles are looked for, and what is said when they are missing."""

from __future__ import annotations

import importlib.util
import shutil
from typing import TYPE_CHECKING

import pytest

from sharedstate_anyio.http.site import BUNDLES, COMPANIONS, PACKAGE, Site
from tests.support.site import LIBS, MEMORY, Page

if TYPE_CHECKING:
    from pathlib import Path


def test_missing_bundles_are_told(tmp_path: Path) -> None:
    site = Site([MEMORY], libs=tmp_path)
    response = site.respond("GET", LIBS[0])
    assert response.status == 404
    assert b"have not been built" in response.body
    assert "have not been built" in Page(site.respond("GET", "/")).words


def test_nothing_is_missed_when_the_bundles_are_there(site: Site) -> None:
    assert "have not been built" not in Page(site.respond("GET", "/")).words
    assert b"sharedstate.es.min.js" in site.respond("GET", "/libs/other.js").body


@pytest.mark.parametrize("layout", ["wheel", "source"])
def test_where_the_bundles_are_found(
    layout: str, tmp_path: Path, libs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "adapters" / f"relocated_{layout}"
    shutil.copytree(PACKAGE / "pages", package / "pages")
    shutil.copytree(PACKAGE / "http", package / "http")
    (package / "__init__.py").touch()
    shutil.copytree(libs, package / "libs" if layout == "wheel" else tmp_path / "libs")
    monkeypatch.syspath_prepend(package.parent)
    module = importlib.import_module(f"{package.name}.http.site")
    assert module.Site([]).respond("GET", LIBS[0]).status == 200


def test_companions_may_be_missing(tmp_path: Path) -> None:
    for name in BUNDLES:
        (tmp_path / name).write_text("// a bundle\n")
    site = Site([MEMORY], libs=tmp_path)
    assert "have not been built" not in Page(site.respond("GET", "/")).words
    assert site.respond("GET", f"/libs/{COMPANIONS[0]}").status == 404
