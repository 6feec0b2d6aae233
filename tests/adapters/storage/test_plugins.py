"""Services: how the module of one is found, and that every complaint names its place and no secret."""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_anyio.config.config import load_config, parse_config
from sharedstate_anyio.storage.plugins import _BACKEND_METHODS, build_backends
from sharedstate_backends import Backend, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = 'Tr0ub4dor"&3'

PLUGIN = """
from sharedstate_backends import ConfigurationError

class Store:
    def __init__(self, config): self.config = config
    async def open(self): ...
    async def close(self): ...
    async def load(self, collection, since): ...
    async def commit(self, collection, writes): ...
    async def heads(self, collections): ...
    async def collections(self, app): ...

def get_service(config):
    if "refused" in config:
        raise ConfigurationError(*COMPLAINT)
    config["taken"] = True
    return Store(config)
"""


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder on the import path, whose modules are forgotten after the test."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    (folder / "plug_store.py").write_text(PLUGIN)
    yield folder
    for name in [name for name in sys.modules if name.startswith("plug_")]:
        del sys.modules[name]


def one(module: str = "items_service", **config: object) -> dict[str, Any]:
    return {"services": [{"name": "s", "module": module, "config": config}]}


def complain(key: str, problem: str) -> None:
    """Let `plug_store` say this where its configuration says `refused`."""
    plugin: Any = importlib.import_module("plug_store")
    plugin.COMPLAINT = (key, problem)


def build_complaint(document: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        build_backends(parse_config(document))
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_the_backend_contract_is_what_is_checked() -> None:
    members = {name for name, _ in inspect.getmembers(Backend, inspect.isfunction)}
    assert {name for name in members if not name.startswith("_")} == set(_BACKEND_METHODS)


def test_the_default_services_can_be_built() -> None:
    backends = build_backends(load_config(None))
    assert list(backends) == ["items", "mitems"]
    assert backends["items"] is not backends["mitems"]


def test_a_module_is_found_by_its_name_and_keeps_its_hands_off_the_config(plugins: Path) -> None:
    package = plugins / "plug_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "deep.py").write_text(PLUGIN)
    importlib.invalidate_caches()
    for module in ("plug_store", "plug_package.deep"):
        config = parse_config(one(module, **{"ssl.enabled": False}))
        backend: Any = build_backends(config)["s"]
        assert backend.config == {"ssl.enabled": False, "taken": True}
        assert dict(config.services[0].config) == {"ssl.enabled": False}


def test_an_installed_service_is_found_by_its_entry_point(plugins: Path) -> None:
    offer(plugins, "one", "[sharedstate.services]\nnear-line = plug_store\n")
    backend: Any = build_backends(parse_config(one("near-line", a=1)))["s"]
    assert backend.config == {"a": 1, "taken": True}


def test_an_entry_point_may_name_an_object_and_may_be_wrong(plugins: Path) -> None:
    (plugins / "plug_two.py").write_text("import plug_store as tape\n")
    offer(plugins, "one", "[sharedstate.services]\ntape = plug_two:tape\nbad = plug_two:reel\n")
    assert list(build_backends(parse_config(one("tape")))) == ["s"]
    found = build_complaint(one("bad"))
    assert found.startswith('services[0].module: importing "bad" failed: ')
    assert "reel" in found


def test_two_packages_may_not_offer_one_name(plugins: Path) -> None:
    offer(plugins, "one", "[sharedstate.services]\ntape = plug_store\n")
    offer(plugins, "two", "[sharedstate.services]\ntape = plug_other\n")
    expected = "services[0].module: several packages offer it; write one of plug_other, plug_store"
    assert build_complaint(one("tape")) == expected


def test_a_package_cannot_take_a_built_in_name(plugins: Path) -> None:
    offer(plugins, "one", "[sharedstate.services]\nitems_service = plug_store\n")
    backend: Any = build_backends(load_config(None))["mitems"]
    assert type(backend).__module__.startswith("sharedstate_backends.")


def offer(folder: Path, name: str, entry_points: str) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("item_service", 'neither a service nor a module "item_service"; did you mean "items_s'),
        ("zzz", 'neither a service nor a module "zzz"; install its package, or set PYTHONPATH'),
        ("plug_store.zzz", 'neither a service nor a module "plug_store.zzz"; '),
        ("zzz.plug_store", 'neither a service nor a module "zzz.plug_store"; '),
        (".plug_store", 'neither a service nor a module ".plug_store"; '),
        ("a/b\n", 'neither a service nor a module "a/b\\n"; '),
        ("json", '"json" has no function get_service(config): it is not a service'),
        (
            "plug_needs",
            "importing \"plug_needs\" failed: No module named 'zzz_driver'; mend or inst",
        ),
        ("plug_wants", "importing \"plug_wants\" failed: cannot import name 'zzz' from 'json'"),
        ("plug_broken", 'importing "plug_broken" failed: invalid syntax (plug_broken.py, line 1)'),
        ("plug_half", "get_service returned object, without open, close, load, commit, heads, col"),
        (
            "plug_async",
            "get_service is a coroutine function; make it a plain one, and connect in op",
        ),
    ],
)
def test_modules_that_are_no_service(plugins: Path, module: str, expected: str) -> None:
    (plugins / "plug_needs.py").write_text("import zzz_driver\n")
    (plugins / "plug_wants.py").write_text("from json import zzz\n")
    (plugins / "plug_broken.py").write_text("def (:\n")
    (plugins / "plug_half.py").write_text("def get_service(config): return object()\n")
    (plugins / "plug_async.py").write_text("async def get_service(config): ...\n")
    found = build_complaint(one(module))
    assert found.startswith("services[0].module: ")
    assert expected in found


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("db_table", "services[1].config.db_table"),
        ("ssl.key", "services[1].config.ssl.key"),
        ("odd key", 'services[1].config["odd key"]'),
        ("", "services[1].config"),
    ],
)
def test_what_a_service_refuses_is_named_in_full(plugins: Path, key: str, place: str) -> None:
    document = one("plug_store")
    document["services"].append({"name": "t", "module": "plug_store", "config": {"refused": True}})
    complain(key, "is wrong;\n  mend it")
    assert build_complaint(document) == f"{place}: is wrong; mend it"


def test_two_services_on_one_table_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what is written to one is there in the other."""
    monkeypatch.chdir(tmp_path)
    mysql: dict[str, object] = {"db_type": "mysql", "db_name": "d", "db_user": "u"}
    configs: list[dict[str, object]] = [
        {"db_type": "sqlite", "db_name": "x.db"},
        {"db_type": "sqlite", "db_name": str(tmp_path / "x.db"), "db_table": "Items"},
        {"db_type": "sqlite", "db_name": "x.db", "db_table": "other"},
        {"db_type": "sqlite", "db_name": "y.db"},
        {"db_type": "sqlite"},
        {"db_type": "sqlite", "db_name": ":memory:"},
        mysql,
        mysql | {"db_port": 3306, "db_host": "localhost", "db_password": "p"},
        mysql | {"db_port": 3307},
        mysql | {"db_table": "Items"},
    ]
    services = [
        {"name": f"s{number}", "module": "items_service", "config": config}
        for number, config in enumerate(configs)
    ]
    with pytest.raises(ConfigurationError) as caught:
        build_backends(parse_config({"services": services}))
    assert [str(each) for each in caught.value.each] == [
        "services[1].config.db_table: services[0] has this table already; choose another name",
        "services[7].config.db_table: services[6] has this table already; choose another name",
    ]


def test_a_fault_inside_a_service_is_not_dressed_as_the_readers(plugins: Path) -> None:
    (plugins / "plug_bug.py").write_text("def get_service(config): return config['zzz']\n")
    with pytest.raises(KeyError):
        build_backends(parse_config(one("plug_bug")))


@pytest.mark.parametrize(
    ("secret", "problem", "expected"),
    [
        (SECRET, f"cannot log in with {SECRET}", "cannot log in with ***"),
        (SECRET, f"found {json.dumps(SECRET)} here", 'found "***" here'),
        ("it's \\1", "found " + repr("it's \\1"), 'found "***"'),
        ("mysecret", "mysql://me:mysecret@db", "mysql://me:***@db"),
        ("e", "the password e is weak", "the password *** is weak"),
        (1234, "no login with 1234", "no login with ***"),
        ("", "is empty", "is empty"),
        (None, "is None", "is None"),
    ],
)
def test_a_service_cannot_print_its_password(
    plugins: Path, secret: object, problem: str, expected: str
) -> None:
    document = one("plug_store", db_password=secret, refused=True)
    complain("db_password", problem)
    assert build_complaint(document) == f"services[0].config.db_password: {expected}"
