"""The two client cores, in Python and in JavaScript, call the same things by the same names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, get_args

from sharedstate_core.client import ClientEffect

SCRIPT: Final = Path(__file__).parents[2] / "js-client" / "src" / "protocol"


def snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def test_effects_have_the_same_names() -> None:
    text = (SCRIPT / "effects.js").read_text("utf-8")
    kinds = re.findall(r'@typedef \{\{kind: "(\w+)".*\}\} (\w+)', text)
    names = [effect.__name__ for effect in get_args(ClientEffect)]
    assert kinds == [(snake_case(name), name) for name in names]
    [union] = re.findall(r"@typedef \{([^{}]+)\} Effect\b", text)
    assert union.split(" | ") == names
