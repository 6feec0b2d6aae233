"""What the embedding program hands in, checked before anything is done with it.

A mistake is a `TypeError` or a `ValueError` that names the argument, raised at once: nothing has changed then.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from .errors import RequestError
from .paths import split_path
from .storage import Condition, Cursor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def expect(name: str, value: object, kind: type, article: str = "a") -> None:
    """Check that an argument is of a type.

    Raises:
        TypeError: it is not.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name}: expected {article} {kind.__name__}, found {found(value)}")


def found(value: object) -> str:
    """Return what a value is, in a few words; of what may be long or a secret only the type."""
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    return type(value).__name__


def check_seconds(now: object) -> None:
    """Check that `now` is a finite number of seconds.

    Raises:
        TypeError: it is not a number.
        ValueError: it is not finite: no deadline would ever come, or all at once.
    """
    if type(now) is not float:
        if isinstance(now, bool) or not isinstance(now, int | float):
            raise TypeError(f"now: expected seconds, a float, found {found(now)}")
        return
    if not math.isfinite(now):
        raise ValueError(f"now: expected seconds of a monotonic clock, found {now}")


def check_number(
    name: str, value: object, least: float, *, whole: bool = True, optional: bool = False
) -> None:
    """Check that an argument is a finite number, not less than `least`; `optional`: or None.

    Raises:
        TypeError: it is not a number, or not a whole one.
        ValueError: it is too small, or not finite.
    """
    if optional and value is None:
        return
    what = f"{'a whole' if whole else 'a'} number from {least}"
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise TypeError(f"{name}: expected {what}, found {found(value)}")
    if not least <= value < math.inf:
        raise ValueError(f"{name}: expected {what}, found {value}")


def check_condition(condition: object, name: str = "condition") -> None:
    """Check that an argument is the condition of an update.

    Raises:
        TypeError: it is not.
    """
    if not isinstance(condition, Condition):
        raise TypeError(f"{name}: expected a Cursor or a Condition, found {found(condition)}")
    expect(f"{name}.cursor", condition.cursor, Cursor)
    expect(f"{name}.cursor.epoch", condition.cursor.epoch, str)
    check_number(f"{name}.cursor.version", condition.cursor.version, 0)
    if condition.ids is not None:
        expect(f"{name}.ids", condition.ids, tuple)
        for index, id in enumerate(condition.ids):
            expect(f"{name}.ids[{index}]", id, str)


def check_json(name: str, text: object) -> None:
    """Check that an argument is JSON text.

    Raises:
        TypeError: it is not bytes.
        ValueError: it is not one JSON value.
    """
    if not isinstance(text, bytes):
        raise TypeError(f"{name}: expected JSON text as bytes, found {found(text)}")
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except msgspec.DecodeError as error:
        raise ValueError(f"{name}: {error}") from None


def messages(unsent: Iterable[bytes]) -> Sequence[bytes]:
    """Return the messages that a transport keeps.

    Raises:
        TypeError: they are not bytes each.
    """
    kept = tuple(unsent)
    if not set(map(type, kept)) <= {bytes, bytearray, memoryview}:
        raise TypeError("unsent: expected several messages, each of bytes")
    return kept


def service_names(services: Iterable[str]) -> tuple[str, ...]:
    """Return names of services, each of which can stand in a path.

    Raises:
        TypeError: it is a single text, or not texts.
        ValueError: one cannot be the segment of a path.
    """
    if isinstance(services, str | bytes):
        raise TypeError('services: expected several names, such as ["items"], found a single text')
    try:
        names = tuple(services)
    except TypeError:
        raise TypeError(f"services: expected names, found {found(services)}") from None
    for index, name in enumerate(names):
        if not isinstance(name, str):
            raise TypeError(f"services[{index}]: expected a str, found {found(name)}")
        try:
            segments = split_path(name)
        except RequestError as error:
            raise ValueError(f"services[{index}]: {error.message}") from None
        if segments != (name,):
            raise ValueError(f"services[{index}]: expected one segment of a path, found {name!r}")
    return names
