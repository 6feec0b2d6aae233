"""Bounds of expressions: none can hold the program for long, recurse too deep, or fill its memory.

What evaluating a tree costs is at most its number of nodes times what it costs to look at all of the largest value
once.
"""

from __future__ import annotations

from typing import Final

MAX_TEXT: Final = 4_096
"""Maximum length of a text, in characters."""

MAX_NODES: Final = 1_000
"""Maximum number of nodes of a tree."""

MAX_DEPTH: Final = 60
"""Maximum number of nodes, or of brackets, within one another."""

MAX_MADE: Final = 65_536
"""Maximum length of what `+` makes: characters of a string, items of a list."""

MAX_COMPARED: Final = 1_000
"""Maximum number of values in two lists or maps that are found to be equal."""

MAX_QUOTED: Final = 10_000
"""Maximum number of values of what is known that become part of a residual, at one place."""
