"""Patches: an item with some of its members changed, and all else as it is spelled.

`patching.patched` is the whole of it: a pure function, which stores call within their transactions and the core calls
for what it has in memory.
"""
