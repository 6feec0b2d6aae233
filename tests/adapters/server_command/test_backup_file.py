"""The file of a backup: whatever became of it is recognised before anybody takes something from it."""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING

import pytest

from sharedstate_anyio.server_command.backup_file import FORMAT, Backup, BackupError
from tests.support.services.saved import template

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["template"]


def spoiled(data: bytes) -> dict[str, bytes]:
    """Return what may become of a backup."""
    text = gzip.decompress(data)
    middle = len(data) // 2
    newer = text.replace(b'"format":%d' % FORMAT, b'"format":%d' % (FORMAT + 1))
    lines = text.splitlines(keepends=True)
    return {
        "cut off": data[:middle],
        "cut off at the end": data[:-9],
        "a bit": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
        "its end": data[:-1] + bytes([data[-1] ^ 1]),
        "goes on": data + b"more",
        "twice": data + data,
        "a line less": gzip.compress(b"".join(lines[:9] + lines[10:])),
        "no end": gzip.compress(b"".join(lines[:-1])),
        "no service": gzip.compress(lines[0] + b"".join(lines[2:])),
        "no collection": gzip.compress(b"".join(lines[:2] + lines[3:])),
        "another value": gzip.compress(text.replace(b"strange", b"stronge", 1)),
        "half a line": gzip.compress(text[:-30]),
        "of another kind": gzip.compress(b'{"line":"something"}\n'),
        "empty": b"",
        "newer": gzip.compress(newer),
    }


WORDS = {"newer": f"format {FORMAT + 1} is of another version, this one reads {FORMAT}"}


@pytest.mark.parametrize("how", spoiled(gzip.compress(b"\n" * 20)))
def test_a_spoiled_backup_is_recognised(template: Path, how: str) -> None:
    whole = (template / "old.gz").read_bytes()
    assert Backup(io.BytesIO(whole), "good.gz").services.keys() == {"items"}
    with pytest.raises(BackupError) as caught:
        Backup(io.BytesIO(spoiled(whole)[how]), "bad.gz")
    expected = ("this backup is damaged", "this is not a backup of SharedState")
    text = str(caught.value)
    assert text.startswith("bad.gz: ")
    assert "\n" not in text
    assert any(words in text for words in ([WORDS[how]] if how in WORDS else expected))


def test_a_backup_that_changes_while_it_is_read(template: Path) -> None:
    whole = (template / "old.gz").read_bytes()
    stream = io.BytesIO(whole)
    backup = Backup(stream, "old.gz")
    text = gzip.decompress(whole)
    stream.seek(0)
    stream.write(gzip.compress(text.replace(b"strange", b"stronge", 1)))
    with pytest.raises(BackupError, match="has changed while it was read"):
        list(backup.portions("items"))
