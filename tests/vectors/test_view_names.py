"""`filters/view-names.json`: what clients call a view, so that they all use the same names."""

from __future__ import annotations

from typing import Any, Final

import pytest

from sharedstate_core.client.views import Filter, make_filter

from .layout import FOLDER, lay_out, load

FILE: Final = FOLDER / "filters" / "view-names.json"
VECTORS: Final = load(FILE)


@pytest.mark.parametrize("case", VECTORS["names"], ids=lambda case: str(case["filter"])[:40])
def test_names(case: dict[str, Any]) -> None:
    asked = make_filter(**case["filter"])
    assert (asked.text, asked.name) == (case["text"], case["name"])


@pytest.mark.parametrize("case", VECTORS["taken"], ids=lambda case: case["name"])
def test_two_filters_of_one_name(case: dict[str, Any]) -> None:
    filters = [make_filter(**each) for each in case["filters"]]
    assert len(set(filters)) == len(filters)
    assert {each.name for each in filters} == {case["name"]}


def test_the_whole_collection_has_no_name() -> None:
    assert (Filter().name, Filter().is_part) == (None, False)


def test_the_file_is_laid_out() -> None:
    assert FILE.read_text("utf-8") == lay_out(VECTORS) + "\n"
