"""How deep a JSON text nests, without a parser: the decoder here has no limit of its own worth having."""

from __future__ import annotations

from typing import Final

_BRACKETS: Final = b"[]{}"
_OTHERS: Final = bytes(set(range(256)) - set(_BRACKETS))
_AS_BRACES: Final = bytes.maketrans(b"[]", b"{}")


def nests_deeper(text: bytes, depth: int) -> bool:
    """Tell whether arrays and objects of a valid JSON text nest more than `depth` levels.

    Short texts and texts with few brackets, nearly all there are, cost next to nothing.
    """
    if len(text) <= 2 * depth or text.count(b"{") + text.count(b"[") <= depth:
        return False
    unescaped = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside_strings = b"".join(unescaped.split(b'"')[::2])
    braces = outside_strings.translate(_AS_BRACES, _OTHERS)
    for _ in range(depth):
        if not braces:
            return False
        braces = braces.replace(b"{}", b"")  # one level, from the inside
    return bool(braces)
