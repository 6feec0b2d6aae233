"""Filters: which items of a collection somebody asks for, written as JSON (PROTOCOL.md, section 15).

A filter becomes an expression over the name `item`, so that one evaluator answers for filters and for rules. What an
index needs to find the expressions that an item may satisfy is read from the expression, whichever of the two it was.
"""
