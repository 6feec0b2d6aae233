"""`typing.get_type_hints` works on all that is public: frameworks and people at a prompt ask it.

A module with public names does without `from __future__ import annotations`. Its annotations are evaluated then, so
what they name has to be imported, and ruff and Python itself see to that.
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from typing import TYPE_CHECKING, get_type_hints

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES = [
    "sharedstate_anyio",
    "sharedstate_anyio.client",
    "sharedstate_core",
    "sharedstate_core.client",
    "sharedstate_core.driver",
    "sharedstate_backends",
]


def annotated(package: str) -> Iterator[tuple[str, object]]:
    """Yield what a package exports and can be annotated: functions, classes and what they define and inherit."""
    module = import_module(package)
    for name in module.__all__:
        thing = getattr(module, name)
        if inspect.isclass(thing):
            yield name, thing
            for each in thing.__mro__:
                if each.__module__.startswith("sharedstate_"):
                    yield from methods(each)
        elif inspect.isfunction(thing):
            yield name, thing


def methods(cls: type) -> Iterator[tuple[str, object]]:
    """Yield the public functions that a class defines, those behind its properties, too."""
    for name, member in vars(cls).items():
        if re.match("_(?!_)", name):
            continue
        inner = member.fget if isinstance(member, property) else member
        inner = getattr(inner, "__func__", inner)
        if inspect.isfunction(inner):
            yield f"{cls.__name__}.{name}", inner


@pytest.mark.parametrize("package", PACKAGES)
def test_hints_can_be_resolved(package: str) -> None:
    broken = {}
    for name, thing in annotated(package):
        try:
            get_type_hints(thing)
        except NameError as error:
            broken[name] = str(error)
    assert broken == {}


def test_the_walk_goes_everywhere() -> None:
    found = {f"{package}.{name}" for package in PACKAGES for name, _ in annotated(package)}
    assert found >= {
        "sharedstate_anyio.serve",
        "sharedstate_anyio.RunningServer.port",
        "sharedstate_anyio.client.connect",
        "sharedstate_anyio.client.Dataset.transaction",
        "sharedstate_core.Server.receive_text",
        "sharedstate_core.Row",
        "sharedstate_backends.Backend.commit",
    }
