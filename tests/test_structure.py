"""The packages are built in one direction."""

from __future__ import annotations

from typing import Final

import pytest

from .structure import PACKAGES, circles, graph


@pytest.mark.parametrize("package", PACKAGES)
def test_no_modules_import_one_another(package: str) -> None:
    imports = graph(package)
    assert sum(map(len, imports.values())) > len(imports), "the imports were found"
    assert circles(imports) == []


CORE: Final = ("", "wire", "collection", "peer", "server")
"""The folders of the core: each may import those before it."""

BESIDE: Final = {"client": {"", "client"}, "testing": {*CORE, "testing"}}
"""Further ones, and what they may import."""


def test_the_core_is_built_in_one_direction() -> None:
    for module, imports in graph("sharedstate_core").items():
        folder = module.rpartition("/")[0]
        if module == "__init__.py":
            continue  # what is public, from wherever it is
        known = BESIDE.get(folder) or set(CORE[: CORE.index(folder) + 1])
        for other in imports:
            assert other.rpartition("/")[0] in known, f"{module} imports {other}"


SCRIPT: Final = {
    "protocol": (),
    "util": (),
    "net": ("protocol", "util"),
    "api": ("protocol", "util", "net"),
    "extras": ("protocol", "util", "api"),
    "bridges": ("protocol", "api", "extras"),
    "": ("protocol", "util", "api", "extras"),
}
"""The folders of the JavaScript client, and which others each may import."""


def test_the_javascript_client_is_built_in_one_direction() -> None:
    for module, imports in graph("js-client/src").items():
        folder = module.rpartition("/")[0]
        for other in imports:
            known = (folder, *SCRIPT[folder])
            assert other.rpartition("/")[0] in known, f"{module} imports {other}"


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a", "c"}}) == [["b", "c"]]
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == [["a", "b", "c"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
