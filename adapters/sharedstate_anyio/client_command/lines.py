"""JSON lines, read and written without ever blocking the event loop."""

from __future__ import annotations

import codecs
import json
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import anyio
import anyio.lowlevel
import msgspec

from sharedstate_anyio.client.values import loads

from .failures import BAD_INPUT, CommandError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

STDIN: Final = 0
STDOUT: Final = 1

READ_BYTES: Final = 64 * 1024

WRITE_BYTES: Final = 4096
"""Bytes that a writable pipe takes without blocking (POSIX: PIPE_BUF is at least 512, on Linux 4096)."""

LINE_BYTES: Final = 64 * 1024 * 1024
"""Longest line accepted: far more than a server accepts, far less than a machine's memory."""

UTF_16: Final = (
    "the input is UTF-16, as some Windows programs write it: save it as UTF-8, in PowerShell by "
    "Out-File -Encoding utf8"
)
NOT_UTF_8: Final = "save the input as UTF-8"
ARRAY: Final = " but an array; jq -c '.[]' makes a line of each of its elements"
PRETTY: Final = (
    "; jq -c . makes one line of each object, and jq -c '.[]' one of each element of an array"
)

_raw = msgspec.json.Decoder(msgspec.Raw)

_MOVING: Final = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)
"""What a terminal obeys instead of showing it: control characters other than JSON's white space, line separators, and
those that turn the direction of writing."""


class Line(NamedTuple):
    """One line that is not blank.

    Attributes:
        number: from 1.
        text: without the line break.
        value: decoded.
    """

    number: int
    text: bytes
    value: dict[str, Any]


async def read_objects(fd: int) -> AsyncIterator[Line]:
    """Read JSON objects from a file descriptor, one per line; blank lines are skipped.

    Raises:
        CommandError: a line is not an object or is too long; the message names the line.
    """
    rest, number = bytearray(), 0
    while True:
        data = await _read(fd)
        rest += data
        end = len(rest) if not data else rest.rfind(b"\n") + 1
        if end == 0 and len(rest) > LINE_BYTES:
            raise CommandError(f"line {number + 1} is longer than {LINE_BYTES} bytes", BAD_INPUT)
        whole = bytes(rest[:end])
        del rest[:end]
        for text in whole.split(b"\n")[: None if not data else -1]:
            number += 1
            if number == 1 and text[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
                raise CommandError(UTF_16, BAD_INPUT)
            found = text.removeprefix(codecs.BOM_UTF8 if number == 1 else b"")
            if found.strip():
                yield parse_line(number, found)
        if not data:
            return


def parse_line(number: int, text: bytes) -> Line:
    """Read one line.

    Raises:
        CommandError: it is not a JSON object.
    """
    try:
        value = loads(text)
    except json.JSONDecodeError as error:
        hint = PRETTY if text.strip() in {b"{", b"["} else ""
        problem = f"line {number} is not JSON: {error.msg}, at character {error.pos + 1}{hint}"
        raise CommandError(problem, BAD_INPUT) from None
    except UnicodeDecodeError as error:
        # Its position refers to the line or to a part of it, depending on the decoder.
        start = text.index(error.object) + error.start
        column = len(text[:start].decode()) + 1
        problem = f"line {number}, column {column}: the byte {text[start]:#04x} is not UTF-8"
        raise CommandError(f"{problem}; {NOT_UTF_8}", BAD_INPUT) from None
    except (ValueError, RecursionError) as error:
        raise CommandError(f"line {number} is not JSON: {error}", BAD_INPUT) from None
    if not isinstance(value, dict):
        hint = ARRAY if isinstance(value, list) else ""
        raise CommandError(f"line {number} is not a JSON object{hint}", BAD_INPUT)
    stripped = text.strip()
    try:
        _raw.decode(stripped)  # stricter than `loads`
    except msgspec.DecodeError:
        problem = f"line {number} holds half a character: a lone surrogate such as \\ud800"
        raise CommandError(problem, BAD_INPUT) from None
    return Line(number, stripped, value)


async def _read(fd: int) -> bytes:
    await anyio.lowlevel.checkpoint()
    try:
        with suppress(PermissionError):  # a regular file is always readable
            await anyio.wait_readable(fd)
        return os.read(fd, READ_BYTES)
    except OSError as error:
        raise CommandError(f"cannot read: {os.strerror(error.errno or 0).lower()}") from None


async def write_lines(fd: int, texts: Iterable[bytes]) -> None:
    """Write JSON texts to a pipe, a terminal or a file, one per line, while other tasks run.

    A terminal gets them `harmless`. It can be interrupted only between two lines, unless they are long.

    Raises:
        OSError: the reader is gone (`BrokenPipeError`), or writing fails.
    """
    rest = bytearray()
    people = os.isatty(fd)
    for text in texts:
        line = one_line(harmless(text) if people else text)
        if rest and len(rest) + len(line) > WRITE_BYTES:
            await _write(fd, rest)
            rest.clear()
        rest += line
    await _write(fd, rest)


async def _write(fd: int, data: bytes | bytearray) -> None:
    start = 0
    while start < len(data):
        with suppress(PermissionError):  # a regular file is always writable
            await anyio.wait_writable(fd)
        start += os.write(fd, data[start : start + WRITE_BYTES])


def harmless(text: bytes) -> bytes:
    """Return the JSON text of the same value, with escapes for what could repaint a terminal."""
    words = text.decode()
    return _MOVING.sub(_escaped, words).encode() if _MOVING.search(words) else text


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def one_line(text: bytes) -> bytes:
    """Return the JSON text of an item on one line: a line break in JSON can only be white space between tokens."""
    return text.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n"
