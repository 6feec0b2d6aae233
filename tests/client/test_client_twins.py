"""The two client cores, in Python and in JavaScript, call the same things by the same names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, get_args

from sharedstate_core.client import ClientEffect, ClientProtocol

SCRIPT: Final = Path(__file__).parents[2] / "js-client" / "src" / "protocol"

ONLY_PYTHON: Final = {"update", "items", "cursor", "first", "unsettled"}
"""Its replicas are in the core, and an update has an argument of its own."""

ONLY_SCRIPT: Final = {"give_up", "probe"}
"""It may stop trying to connect, and has no pings."""


def snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def test_effects_have_the_same_names() -> None:
    text = (SCRIPT / "effects.js").read_text("utf-8")
    kinds = re.findall(r'@typedef \{\{kind: "(\w+)".*\}\} (\w+)', text)
    names = [effect.__name__ for effect in get_args(ClientEffect)]
    assert kinds == [(snake_case(name), name) for name in names]
    [union] = re.findall(r"@typedef \{([^{}]+)\} Effect\b", text)
    assert union.split(" | ") == names


def test_inputs_have_the_same_names() -> None:
    text = (SCRIPT / "client_protocol.js").read_text("utf-8")
    methods = set(re.findall(r"^  ([a-z_]+)\(", text, re.MULTILINE)) - {"constructor"}
    names = {name for name in vars(ClientProtocol) if not name.startswith("_")}
    assert names - methods == ONLY_PYTHON
    assert methods - names == ONLY_SCRIPT
