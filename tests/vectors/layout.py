"""How a vector stands in its file: what fits on a line stands on one, so that it can be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent
WIDTH: Final = 110


def one_line(value: object) -> str:
    """Return JSON text on one line."""
    return json.dumps(value, ensure_ascii=False)


def lay_out(value: object, indent: str = "", before: int = 0) -> str:
    """Return JSON text; `before` is what stands on its first line already."""
    text = one_line(value)
    if len(indent) + before + len(text) < WIDTH or not isinstance(value, dict | list) or not value:
        return text
    deeper = indent + "  "
    if isinstance(value, dict):
        keys = [f"{one_line(key)}: " for key in value]
        parts = [
            key + lay_out(each, deeper, len(key))
            for key, each in zip(keys, value.values(), strict=True)
        ]
        first, last = "{}"
    else:
        parts = [lay_out(each, deeper) for each in value]
        first, last = "[]"
    lines = f",\n{deeper}".join(parts)
    return f"{first}\n{deeper}{lines}\n{indent}{last}"


def paths() -> list[Path]:
    """Return the files of all vectors."""
    return sorted(FOLDER.glob("*.json"))


def load(path: Path) -> Any:
    """Return a vector."""
    return json.loads(path.read_text("utf-8"))


def save(path: Path, vector: object) -> None:
    """Write a vector."""
    path.write_text(lay_out(vector) + "\n", "utf-8")
