"""How deep a JSON text nests, without a parser: the decoder here has no limit of its own worth having.

Whatever the text, the cost is a few passes over it in C. What is left outside of strings are brackets; each becomes a
bit, eight of them one byte, and two tables tell what a byte does to the depth.
"""

from __future__ import annotations

from itertools import accumulate
from operator import add
from typing import Final

_OTHERS: Final = bytes(set(range(256)) - set(b"[]{}"))
_AS_BITS: Final = bytes.maketrans(b"[{]}", b"1100")


def _rises(brackets: int) -> list[int]:
    """Return how much deeper it is after each of the eight brackets in a byte than before them, the first one first."""
    return list(accumulate(1 if brackets & bit else -1 for bit in (128, 64, 32, 16, 8, 4, 2, 1)))


_RISE: Final = bytes(_rises(brackets)[-1] & 0xFF for brackets in range(256))
_PEAK: Final = bytes(max(0, *_rises(brackets)) for brackets in range(256))


def nests_deeper(text: bytes, depth: int) -> bool:
    """Return whether arrays and objects of a valid JSON text nest more than `depth` levels.

    Short texts and texts with few brackets, nearly all there are, cost next to nothing.
    """
    if len(text) <= 2 * depth or text.count(b"{") + text.count(b"[") <= depth:
        return False
    unescaped = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside_strings = b"".join(unescaped.split(b'"')[::2])
    bits = outside_strings.translate(_AS_BITS, _OTHERS)
    if len(bits) <= 2 * depth:
        return False
    bits += b"0" * (-len(bits) % 8)
    packed = int(bits, 2).to_bytes(len(bits) // 8, "big")
    before = accumulate(memoryview(packed.translate(_RISE)).cast("b"), initial=0)
    deepest: int = max(map(add, packed.translate(_PEAK), before))
    return deepest > depth
