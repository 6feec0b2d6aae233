"""Check how deep a JSON text nests, without parsing it: the decoder has no useful limit of its own.

Whatever the text, the cost is a few passes over it in C. Everything but the brackets outside strings is dropped; each
bracket becomes a bit, eight of them a byte, and two lookup tables give the effect of a byte on the depth.
"""

from __future__ import annotations

from itertools import accumulate
from operator import add
from typing import Final

_OTHERS: Final = bytes(set(range(256)) - set(b'[]{}"'))
_AS_BITS: Final = bytes.maketrans(b"[{]}", b"1100")


def _rises(brackets: int) -> list[int]:
    """Return the change in depth after each of the eight brackets in a byte, from the first to the last."""
    return list(accumulate(1 if brackets & bit else -1 for bit in (128, 64, 32, 16, 8, 4, 2, 1)))


_RISE: Final = bytes(_rises(brackets)[-1] & 0xFF for brackets in range(256))
_PEAK: Final = bytes(max(0, *_rises(brackets)) for brackets in range(256))


def may_nest_deeper(text: bytes, depth: int) -> bool:
    """Return whether a text holds enough brackets to nest more than `depth` levels: nearly no text does."""
    return text.count(b"{") + text.count(b"[") > depth


def nests_deeper(text: bytes, depth: int) -> bool:
    """Return whether arrays and objects of a valid JSON text, or of several in a row, nest more than `depth` levels.

    Short texts and texts with few brackets cost next to nothing.
    """
    if len(text) <= 2 * depth or not may_nest_deeper(text, depth):
        return False
    bits = _brackets(text)
    if len(bits) <= 2 * depth:
        return False
    bits += b"0" * (-len(bits) % 8)
    packed = int(bits, 2).to_bytes(len(bits) // 8, "big")
    before = accumulate(memoryview(packed.translate(_RISE)).cast("b"), initial=0)
    deepest: int = max(map(add, packed.translate(_PEAK), before))
    return deepest > depth


def _brackets(text: bytes) -> bytes:
    """Return each bracket outside strings as a digit, 1 for those that open."""
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    marks = text.translate(_AS_BITS, _OTHERS)
    if b'"' not in marks:
        return marks
    return b"".join(marks.replace(b'""', b"").split(b'"')[::2])  # nearly all strings hold none
