"""The configuration's `rules`: who may do what, in the words of the core."""

from __future__ import annotations

from typing import Any, Final

from sharedstate_backends.error_collector import ErrorCollector
from sharedstate_core.rules.faults import RulesError
from sharedstate_core.rules.rules import Rules


def parse_rules(value: object) -> Rules:
    """Return the document's `rules`, read and checked.

    Raises:
        ConfigurationError: a rule is wrong; `each` lists all mistakes, with the place in the expression.
    """
    try:
        return Rules.parse(value)
    except RulesError as error:
        with ErrorCollector() as errors:
            for fault in error.faults:
                errors.add(fault.place, fault.problem)
        raise AssertionError("there is a fault in every RulesError") from error


_EXPRESSION: Final = {"anyOf": [{"type": "boolean"}, {"type": "string", "minLength": 1}]}
_EXPRESSIONS: Final = {"type": "object", "additionalProperties": _EXPRESSION}


def rule_schema() -> dict[str, Any]:
    """Return the JSON Schema of an entry of `rules`."""
    told = {
        "read": "Who may read the collection.",
        "insert": "Who may add an item: it looks at `new`.",
        "update": "Who may replace an item: it looks at `item` and `new`.",
        "remove": "Who may remove an item: it looks at `item`.",
        "write": "Stands for each of insert, update and remove that is missing.",
        "admin": "Who is told why something is denied.",
    }
    stamps = {"insert": _EXPRESSIONS, "update": _EXPRESSIONS}
    return {
        "type": "object",
        "properties": {
            "path": {
                "description": "Of collections: /app/service/collection, with * or {name} in it.",
                "type": "string",
            },
            **{
                key: {"description": text, **_EXPRESSION, "default": False}
                for key, text in told.items()
            },
            "list": {
                "description": "Who may list the names of all collections that fit; default: as admin.",
                **_EXPRESSION,
            },
            "let": {"description": "Names for expressions.", **_EXPRESSIONS, "default": {}},
            "stamp": {
                "description": "Members that the server sets, and nobody else.",
                "type": "object",
                "default": {},
                "anyOf": [
                    _EXPRESSIONS,
                    {"properties": stamps, "additionalProperties": False},
                ],
            },
        },
        "required": ["path"],
        "additionalProperties": False,
        "examples": [{"path": "/chat/items/*", "read": True, "write": "user != null"}],
    }
