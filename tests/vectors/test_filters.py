"""`filters/where.json`: for which items each filter holds, and what is refused."""

from __future__ import annotations

from typing import Any, Final

import pytest

from sharedstate_core.errors import RequestError
from sharedstate_core.filters.where import parse_where
from sharedstate_core.testing.filters import holds as model
from tests.core.filter_samples import holds

from .layout import FOLDER, lay_out, load

FILE: Final = FOLDER / "filters" / "where.json"
VECTORS: Final = load(FILE)


@pytest.mark.parametrize("group", VECTORS["groups"], ids=lambda group: group["about"])
def test_which_items_a_filter_holds_for(group: dict[str, Any]) -> None:
    for case in group["cases"]:
        where = case["where"]
        tree, opposite = parse_where(where, "where"), parse_where({"not": where}, "where")
        found = [name for name, item in group["items"].items() if holds(tree, item)]
        others = [name for name, item in group["items"].items() if holds(opposite, item)]
        assert found == case["holds"], where
        assert others == [name for name in group["items"] if name not in found], where
        by_model = [name for name, item in group["items"].items() if model(where, item)]
        assert found == by_model, where


@pytest.mark.parametrize("case", VECTORS["refused"], ids=lambda case: str(case["where"])[:40])
def test_what_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as error:
        parse_where(case["where"], "where")
    assert (error.value.code, error.value.message) == (case["code"], case["message"])


def test_the_file_is_laid_out() -> None:
    assert FILE.read_text("utf-8") == lay_out(VECTORS) + "\n"
