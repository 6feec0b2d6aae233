"""What the JSON decoder has against a text, in the words of this package: the place, and what is expected there."""

from __future__ import annotations

import re
from typing import Final

_PLACE: Final = re.compile(r" - at `\$\.?(.*)`$")
_MISSING: Final = re.compile(r"^Object missing required field `(.*)`$")
_EXPECTED: Final = re.compile(r"^Expected `(.*?)`( of length \d+)?(?:, got `(.*)`)?$")

_KINDS: Final = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "an array",
}
_FOUND: Final = {"int": "a number", "bool": "a boolean"}


def fault_place(error: Exception) -> str:
    """Return where the fault lies, such as `insert[2].id`; empty if it is the text as a whole."""
    at = _PLACE.search(str(error))
    return at[1] if at else ""


def decoder_fault(error: Exception, whole: str = "") -> str:
    """Return one line, such as `since.epoch: expected a string, found a number`.

    Args:
        error: of the decoder.
        whole: what stands for the place if the text as a whole is at fault; default: nothing.
    """
    text = str(error)
    place = fault_place(error)
    problem = _PLACE.sub("", text)
    if missing := _MISSING.match(problem):
        place = f"{place}.{missing[1]}".lstrip(".")
        problem = "is missing"
    elif expected := _EXPECTED.match(problem):
        kinds = " or ".join(_KINDS.get(kind, kind) for kind in expected[1].split(" | "))
        problem = f"expected {kinds}{expected[2] or ''}"
        if kind := expected[3]:
            problem += f", found {_FOUND.get(kind) or _KINDS.get(kind, kind)}"
    elif not problem[1:2].isupper():
        problem = problem[:1].lower() + problem[1:]
    return ": ".join(filter(None, (place or whole, problem)))
