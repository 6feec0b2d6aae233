"""The command `sharedstate-anyio explain`: which rule decides, what each part of it comes to, and the verdict.

It asks the configuration alone: neither a server nor stored data. What would be stored is made as the server makes it,
with its stamps, before the rule looks at it.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from sharedstate_anyio.config.config import load_config
from sharedstate_anyio.logs.formatting import printable
from sharedstate_backends import ConfigurationError
from sharedstate_core.errors import RequestError
from sharedstate_core.expressions.evaluator import Program
from sharedstate_core.expressions.places import Failure
from sharedstate_core.expressions.printer import text_of
from sharedstate_core.expressions.specialiser import specialise
from sharedstate_core.expressions.tree import Name, names_of
from sharedstate_core.filters.connectives import EVERYTHING, NOTHING
from sharedstate_core.paths import CollectionPath, split_path
from sharedstate_core.rules.entry import Denied

from .concealing import conceal
from .explain_options import explain_parser
from .refusing import refuse

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence

    from sharedstate_anyio.config.config import Config
    from sharedstate_anyio.logs.console import Console
    from sharedstate_core.expressions.explain import Step
    from sharedstate_core.rules.rules import Match, Rules

ALLOWED: Final = 0
DENIED: Final = 1

MADE_UP: Final = "some-id"
"""The id of an item for which none is given."""

MAX_VALUE: Final = 120
"""Longest value that is printed in full, in characters."""

_NEEDED: Final[dict[str, tuple[str, ...]]] = {
    "insert": ("new",),
    "update": ("item", "new"),
    "remove": ("item",),
    "reset": ("item",),
}
"""The items that each action looks at; others look at none, but for `read`, which may be asked of an item."""


class Question(NamedTuple):
    """What somebody wants to do."""

    action: str
    path: tuple[str, ...]
    user: dict[str, Any] | None
    item: dict[str, Any] | None
    new: dict[str, Any] | None
    session: str | None
    now: float

    @property
    def values(self) -> dict[str, Any]:
        """What a rule may look at."""
        keys = _NEEDED.get(self.action, () if self.item is None else ("item",))
        items = {key: getattr(self, key) for key in keys}
        session = {} if self.session is None else {"session": self.session}
        return {"user": self.user, **session, "now": self.now, **items}


def explain_command(console: Console, arguments: Sequence[str]) -> NoReturn:
    """Run `sharedstate-anyio explain`."""
    options = explain_parser().parse_args(arguments)
    try:
        config = load_config(options.config)
        conceal(console, config)
        question = _question(options)
    except ConfigurationError as error:
        refuse(console, error)
    lines: list[str] = []
    denied = explained(config, question, lines)
    for line in lines:
        print(printable(line))
    told = "unauthenticated" if question.user is None else "forbidden"
    print("allowed" if denied is None else printable(f"denied ({told}): {denied}"))
    raise SystemExit(ALLOWED if denied is None else DENIED)


def explained(config: Config, question: Question, lines: list[str]) -> str | None:
    """Return why something is denied; None if it is allowed.

    Args:
        config: of the server.
        question: what somebody wants to do.
        lines: gets what there is to tell about it.
    """
    if question.user is None and config.auth is not None and config.auth.required:
        return "auth.required: nobody is let in without a token"
    if config.rules is None:
        lines.append("there are no rules: everybody may do everything")
        return None
    if question.action == "list":
        return _names(config.rules, question, lines)
    assert isinstance(question.path, CollectionPath)  # noqa: S101  (`_question` has seen to it)
    match = config.rules.entry(question.path)
    if match is None:
        return f"no entry of rules matches {question.path}"
    lines.append(_decides(match))
    if question.action == "read":
        return _read(match, question, lines)
    return _write(match, question, lines)


def _read(match: Match, question: Question, lines: list[str]) -> str | None:
    """Return why the item, or any, may not be read; None if it may, or some may."""
    rule, values = match.entry.rules["read"], {**match.variables, **question.values}
    lines += _steps(match, "read", question.values)
    if question.item is not None and (denied := rule.check(values)) is not None:
        return str(denied)
    readable = match.readable(question.user)
    if readable == NOTHING:
        values.pop("item", None)
        left = Program(specialise(rule.tree, values)).evaluate({})
        if isinstance(left, Failure):
            return str(Denied(rule.place, left.place, left.reason))
        return _why(match, "read")
    if question.item is None and readable != EVERYTHING:
        lines.append(f"readable are the items of which this is true: {_cut(text_of(readable))}")
    return None


def _write(match: Match, question: Question, lines: list[str]) -> str | None:
    grant = match.for_user(question.user, question.session)
    item, new, now = question.item, question.new, question.now
    values = question.values
    if MADE_UP in [each["id"] for each in (item, new) if each is not None]:
        lines.append(f'no id is given: it is "{MADE_UP}"')
    if question.action == "reset":
        lines.append("a reset removes every item that is there: here is one of them")
    if new is None:
        assert item is not None  # noqa: S101  (`_question` has seen to it)
        denied = grant.check_remove(item, now)
    else:
        stored = item if question.action == "update" else None
        stamped = grant.stamped(new, stored, now)
        if isinstance(stamped, Denied):
            return str(stamped)
        if grant.has_stamps:
            lines.append(f"stamped: new is {_shown(stamped)}")
        values["new"] = stamped
        denied = (
            grant.check_update(stored, stamped, now)
            if stored is not None
            else grant.check_insert(stamped, now)
        )
    lines += _steps(match, "remove" if new is None else question.action, values)
    return None if denied is None else str(denied)


def _names(rules: Rules, question: Question, lines: list[str]) -> str | None:
    """Return why names may not be listed; None if they may."""
    segments = () if question.path == ("apps",) else question.path
    app, service = (*segments, None, None)[:2]
    match = rules.list_entry(app, service)
    if match is None:
        return "no entry of rules matches all that could be in the list"
    lines.append(_decides(match))
    lines += _steps(match, match.list_key, {"user": question.user})
    return None if match.may_list(question.user) else _why(match, match.list_key)


def _decides(match: Match) -> str:
    entry = match.entry
    variables = "".join(f", {name} is {_shown(value)}" for name, value in match.variables.items())
    return f"decided by {entry.name}: {entry.pattern.text}{variables}"


def _why(match: Match, key: str) -> str:
    rule = match.entry.rules[key]
    return f"{rule.place}: {'it is not true' if rule.is_given else 'the entry does not say'}"


def _steps(match: Match, key: str, values: Mapping[str, object]) -> Iterator[str]:
    rule = match.entry.rules[key]
    if not rule.is_given:
        return
    yield f"{rule.place}:"
    for step in match.explain(key, values):
        unknown = "item" not in values and "item" in names_of(step.node)
        if step.depth and isinstance(step.node, Name) and (unknown or isinstance(step.value, dict)):
            continue  # such as `item`: whoever asks has given it, or not
        yield "  " * (step.depth + 1) + _step(step, rule.place, unknown=unknown)


def _step(step: Step, rule: str, *, unknown: bool) -> str:
    """Say where a part stands, what it is, and what it comes to, which may depend on an item that is not known."""
    place = step.node.at
    where = (
        place.words if place.source.name in {rule, ""} else f"{place.source.name}, {place.words}"
    )
    value = step.value
    if not isinstance(value, Failure):
        return f"{where}: {place.excerpt} is {_shown(value)}"
    if unknown:
        return f"{where}: {place.excerpt} depends on the item"
    culprit = "" if value.place is place else f"{value.place.excerpt}: "
    return f"{where}: {place.excerpt} is an error: {culprit}{value.reason}"


def _shown(value: object) -> str:
    return _cut(json.dumps(value, ensure_ascii=False))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 3]}..."


def _question(options: argparse.Namespace) -> Question:
    """Return what is asked.

    Raises:
        ConfigurationError: it cannot be asked like this; `key` is the option.
    """
    action = options.action
    try:
        path = split_path(options.path)
    except RequestError as error:
        raise ConfigurationError("PATH", error.message) from None
    if action == "list":
        if len(path) not in {1, 2}:
            problem = "expected /app/service, /app or /apps: whose names are listed"
            raise ConfigurationError("PATH", f"{problem}, found {options.path!r}")
    elif not isinstance(path, CollectionPath):
        problem = "expected /app/service/collection, three segments"
        raise ConfigurationError("PATH", f"{problem}, found {options.path!r}")
    for key, what in (("item", "what is stored"), ("new", "what would be stored")):
        needed = key in _NEEDED.get(action, ())
        if action == "read" and key == "item":
            continue
        if needed is (getattr(options, key) is None):
            problem = (
                f"is missing: {action} needs" if needed else f"leave it out: {action} needs not"
            )
            raise ConfigurationError(f"--{key}", f"{problem} {what}")
    given = [each for each in (options.item, options.new) if each is not None]
    ids = [each["id"] for each in given if "id" in each] or [MADE_UP]
    item, new = (
        None if each is None else {"id": ids[0], **each} for each in (options.item, options.new)
    )
    if ids[0] != ids[-1]:
        raise ConfigurationError("--new", "its id is not that of --item: an update keeps the id")
    now = time.time() if options.now is None else options.now
    return Question(action, path, options.user, item, new, options.session, now)
