"""The pictures that are drawn by hand: small, for everybody, and nothing but a picture."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PICTURES = sorted(DOCS.glob("*.svg"))
NAMESPACE = "{http://www.w3.org/2000/svg}"
ALLOWED = {
    "svg", "title", "desc", "style", "defs", "marker", "g", "rect", "circle", "ellipse", "path", "text",
}  # fmt: skip


def test_there_are_some() -> None:
    assert PICTURES


@pytest.mark.parametrize("file", PICTURES, ids=lambda file: file.name)
def test_a_picture(file: Path) -> None:
    """It has a title and a description, follows the reader's colour scheme, and loads and runs nothing."""
    text = file.read_text("utf-8")
    assert len(text.encode()) < 12_000
    root = ET.fromstring(text)
    assert {element.tag.removeprefix(NAMESPACE) for element in root.iter()} <= ALLOWED
    named = {
        element.get("id") for element in root if element.tag[len(NAMESPACE) :] in {"title", "desc"}
    }
    assert root.get("role") == "img"
    assert set(str(root.get("aria-labelledby")).split()) == named == {"title", "desc"}
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r"\bon\w+=|href|@import|url\((?!#)", text)
