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


CORE: Final = (
    "patches",
    "",
    "expressions",
    "filters",
    "rules",
    "decisions",
    "wire",
    "items",
    "views",
    "collection",
    "peer",
    "server",
)
"""The folders of the core: each may import those before it."""

BESIDE: Final = {
    "driver": {"patches", "", "server", "driver"},
    "client": {"patches", "", "client"},
    "testing": {*CORE, "testing"},
}
"""Further ones, and what they may import."""


def test_the_core_is_built_in_one_direction() -> None:
    for module, imports in graph("sharedstate_core").items():
        folder = module.rpartition("/")[0]
        if module == "__init__.py":
            continue  # what is public, from wherever it is
        known = BESIDE.get(folder) or set(CORE[: CORE.index(folder) + 1])
        for other in imports:
            assert other.rpartition("/")[0] in known, f"{module} imports {other}"


STORES: Final = {
    "": (),
    "conformance": ("",),
    "history": ("",),
    "legacy": ("",),
    "island": ("", "legacy"),
    "portable.py": ("", "island"),
    "sqlite": ("", "history", "legacy", "portable.py"),
    "mysql/wire": ("",),
    "mysql/tables": ("", "history", "legacy", "mysql/wire"),
    "mysql/commit": ("", "history", "mysql/wire", "mysql/tables"),
    "mysql": ("", "history", "legacy", "portable.py", "mysql/wire", "mysql/tables", "mysql/commit"),
    "items_service.py": ("", "island", "sqlite", "mysql"),
    "items_schema.py": ("", "items_service.py"),
    "__init__.py": ("", "island"),
}
"""The folders of the stores, and modules of the root that stand above some of them: which others each may import.

The two stores know nothing of each other.
"""


def test_the_stores_are_built_in_one_direction() -> None:
    def place(module: str) -> str:
        return module if module in STORES else module.rpartition("/")[0]

    for module, imports in graph("backends/sharedstate_backends").items():
        known = (place(module), *STORES[place(module)])
        for other in imports:
            assert place(other) in known, f"{module} imports {other}"
    assert circles({each: set(others) for each, others in STORES.items()}) == []


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


ADAPTER: Final[dict[str, set[str]]] = {
    "logs": set(),
    "tasks": set(),
    "config": {"logs"},
    "auth": {"config", "logs"},
    "net": {"config", "logs"},
    "websocket": {"config", "net"},
    "http": {"auth", "config", "logs", "net", "websocket"},
    "storage": {"config", "logs"},
    "hub": {"auth", "config", "logs", "net", "storage", "tasks", "websocket"},
    "ops": {"config", "http", "hub", "logs", "net", "storage", "tasks"},
    "connections": {"auth", "config", "http", "hub", "logs", "net", "websocket"},
    "client/net": {"logs"},
    "client": {"client/net", "logs", "tasks"},
    "": {"auth", "config", "connections", "http", "hub", "logs", "net", "ops", "storage", "tasks"}
    | {"websocket"},
    "server_command": {"", "auth", "config", "logs", "net", "ops", "storage"},
    "client_command": {"client", "client/net", "logs", "server_command"},
}
"""The folders of the adapter, and what each imports: some of those above it."""

ANYBODY: Final = {"entry.py", "version.py"}
"""Modules of the adapter that everybody may import, and that import none."""


def test_the_adapter_is_built_in_one_direction() -> None:
    above: set[str] = set()
    for folder, known in ADAPTER.items():
        assert known <= above, f"{folder} may import those above it only"
        above.add(folder)
    imported: dict[str, set[str]] = {folder: set() for folder in ADAPTER}
    for module, imports in graph("adapters/sharedstate_anyio").items():
        folder = module.rpartition("/")[0]
        if module in {"__init__.py", "__main__.py"} or folder == "pages":
            continue  # what is public, from wherever it is
        assert module not in ANYBODY or not imports
        for other in imports - ANYBODY:
            if (of := other.rpartition("/")[0]) != folder:
                assert of in ADAPTER[folder], f"{module} imports {other}"
                imported[folder].add(of)
    assert imported == ADAPTER, "the table names nothing else"


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a", "c"}}) == [["b", "c"]]
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == [["a", "b", "c"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
