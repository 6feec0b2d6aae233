"""Expressions over JSON values, such as `user != null && item.by == user.id`: a strict subset of CEL.

Whatever this package accepts means what it means in CEL (https://cel.dev): a missing member, unlike types, an overflow
are error values; `&&` and `||` absorb an error if the other side decides; `==` of unlike types is false, and numbers
compare by value. What is left out, is refused by the parser: macros, bytes, unsigned numbers, comments,
and types, but for `type(x) == string` and the like.

Two things are not CEL's. A whole number and a double compare exactly, also beyond 2^53, where CEL's implementations
convert. And everything is bounded (`bounds.py`): what is too long, too deep or too large is an error.
"""
