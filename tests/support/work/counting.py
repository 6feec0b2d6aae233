"""Counts while a block runs: the functions of some packages run rewritten code, and afterwards their own again."""

from __future__ import annotations

import builtins
import importlib
import operator
import pkgutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, cached_property, partial
from pathlib import Path
from types import CodeType, FunctionType, GeneratorType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from . import costs
from .rewrite import HOOKS, PREFIX, rewritten
from .work import Meter, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

CORE: Final = ("sharedstate_core",)


def work_of(call: Callable[[], object], *, of: tuple[str, ...] = CORE) -> Work:
    """Return the units of work that one call takes in the code of these packages.

    If it returns an iterator, what that yields counts, too.
    """
    with counting(of=of) as meter:
        made = call()
        if isinstance(made, Iterator):
            for _ in made:
                pass
    return meter.take()


@contextmanager
def counting(*, of: tuple[str, ...] = CORE) -> Iterator[Meter]:
    """Count in the block; `Meter.take` returns what was counted since the last time. Blocks do not nest."""
    if _hooks.meter is not None:
        raise RuntimeError("something is being counted already")
    pairs = [pair for name in of for pair in functions_of(name)]
    before = [(function, function.__code__) for function, _ in pairs]
    # They stay: what is suspended in the block may go on after it.
    vars(builtins).update({f"{PREFIX}{name}__": getattr(_hooks, name) for name in HOOKS})
    _hooks.meter, _hooks.of = Meter(), of
    try:
        for function, code in pairs:
            function.__code__ = code
        yield _hooks.meter
    finally:
        _hooks.meter = None
        for function, code in before:
            function.__code__ = code


class Hooks:
    """What rewritten code calls in place of what it is about to do.

    Attributes:
        meter: takes the units; None while nothing is counted.
        of: the packages whose functions count for themselves.
    """

    def __init__(self) -> None:
        self.meter: Meter | None = None
        self.of: tuple[str, ...] = ()

    def _add(self, frame: FrameType, units: int) -> None:
        if self.meter is not None:
            self.meter.add(frame, units)

    def call(self, function: Any, /, *args: Any, **named: Any) -> Any:
        """Call a function."""
        frame = sys._getframe(1)
        given = (*args, *named.values())
        inner: Any = function
        while isinstance(inner, partial):
            inner, given = inner.func, (*inner.args, *given)
        inner = getattr(inner, "__func__", inner)
        if isinstance(inner, FunctionType):
            is_ours = inner.__module__.split(".")[0] in self.of
            self._add(frame, 1 + (len(given) if is_ours else sum(map(costs.size, given))))
            return function(*args, **named)
        units, consumes = costs.of_call(inner, given)
        self._add(frame, 1 + units)
        if not consumes:
            return function(*args, **named)
        args = tuple(
            self._walk(each, frame) if isinstance(each, Iterator) else each for each in args
        )
        made = function(*args, **named)
        self._add(frame, costs.size(made))
        return made

    def walk(self, values: Iterable[Any]) -> Iterator[Any]:
        """Go over something."""
        frame = sys._getframe(1)
        self._add(frame, costs.dead_slots(values))
        return self._walk(values, frame)

    def _walk(self, values: Iterable[Any], frame: FrameType) -> Iterator[Any]:
        for value in values:
            self._add(frame, 1)
            yield value

    def delegate(self, values: Iterable[Any]) -> Iterable[Any]:
        """Yield from something; a generator counts for itself, and what it returns is wanted."""
        return values if isinstance(values, GeneratorType) else self.walk(values)

    def step(self) -> None:
        """Begin another turn of a loop."""
        self._add(sys._getframe(1), 1)

    def made(self, value: Any) -> Any:
        """Return what was copied."""
        self._add(sys._getframe(1), costs.size(value))
        return value

    def into(self, container: Any) -> Any:
        """Return what takes the place of a container into which something is about to be put."""
        return _Into(container, self._add) if isinstance(container, dict) else container

    def operate(self, name: str, left: Any, right: Any) -> Any:
        """Apply an operator; in place, it goes over what it adds alone."""
        if isinstance(left, costs.TEXTS + costs.CONTAINERS):
            in_place = name.startswith("i") and not isinstance(left, str | bytes | tuple)
            units = costs.size(right) + (0 if in_place else costs.size(left))
            self._add(sys._getframe(1), units)
        return getattr(operator, name)(left, right)

    def equal(self, left: Any, right: Any) -> bool:
        """Compare."""
        if left is not right and type(left) is type(right):
            sizes = costs.size(left), costs.size(right)
            self._add(sys._getframe(1), min(sizes))
        return bool(left == right)

    def contains(self, value: Any, container: Any) -> bool:
        """Look for a value."""
        if isinstance(container, costs.SEARCHED):
            self._add(sys._getframe(1), costs.size(container))
        return value in container

    def delete(self, container: Any) -> None:
        """Delete a part of something."""
        if isinstance(container, costs.SEARCHED):
            self._add(sys._getframe(1), costs.size(container))


class _Into:
    """A dictionary that takes something in, or lets it be changed, and counts what it moves for that."""

    def __init__(self, held: dict[Any, Any], add: Callable[[FrameType, int], None]) -> None:
        self._held = held
        self._add = add

    def __getitem__(self, key: Any) -> Any:
        return self._held[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._add(sys._getframe(1), costs.growth(self._held, key))
        self._held[key] = value


_hooks: Final = Hooks()


# --- the functions of a package -------------------------------------------------------------------


@cache
def functions_of(package: str) -> tuple[tuple[FunctionType, CodeType], ...]:
    """Return each function of a package that is written in it, with its code rewritten."""
    modules = list(_modules(package))
    codes: dict[CodeType, CodeType] = {}
    for module in modules:
        file = str(module.__file__)
        codes.update(rewritten(Path(file).read_text("utf-8"), file))
    found: dict[FunctionType, CodeType] = {}
    for module in modules:
        for function in _functions(module, module.__name__, set()):
            if function.__code__ in codes:
                found[function] = codes[function.__code__]
    return tuple(found.items())


def _modules(package: str) -> Iterator[ModuleType]:
    """Yield the modules of a package, but for those that only tests use."""
    root = importlib.import_module(package)
    yield root
    for info in pkgutil.walk_packages(root.__path__, f"{package}."):
        if not info.name.endswith("__main__") and ".testing" not in info.name:
            yield importlib.import_module(info.name)


def _functions(holder: object, module: str, seen: set[int]) -> Iterator[FunctionType]:
    """Yield the functions that a module or a class of it holds."""
    for value in vars(holder).values():
        if isinstance(value, type):
            if value.__module__ == module and id(value) not in seen:
                seen.add(id(value))
                yield from _functions(value, module, seen)
            continue
        if isinstance(value, property):
            parts: tuple[object, ...] = (value.fget, value.fset, value.fdel)
        elif isinstance(value, cached_property):
            parts = (value.func,)
        elif isinstance(value, classmethod | staticmethod):
            parts = (value.__func__,)
        else:
            parts = (value, getattr(value, "__wrapped__", None))
        yield from (each for each in parts if isinstance(each, FunctionType))
