"""Paths: their normal form, and what is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharedstate_core import CollectionPath, RequestError, parse_collection_path
from sharedstate_core.paths import split_path


@pytest.mark.parametrize(
    "text", ["app/items/c", "/app/items/c", "/app/items/c/", "/app//items/c", "///app/items//c//"]
)
def test_all_these_name_the_same_collection(text: str) -> None:
    assert parse_collection_path(text) == CollectionPath("app", "items", "c")
    assert str(parse_collection_path(text)) == "/app/items/c"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "three segments"),
        ("/a/b", "three segments"),
        ("/a/b/c/d", "three segments"),
        ("/a/./c", "a segment may not be '.'"),
        ("/a/../c", "a segment may not be '..'"),
        ("/a/b/\x00", "control character"),
        ("/a/b/c\n", "control character"),
        ("/a/b/\x7f", "control character"),
        ("/a/b/\x85", "control character"),
        ("/a/b/\ud800", "lone surrogate"),
        ("/a/b/" + "x" * 129, "longer than 128 bytes"),
        ("/a/b/" + "é" * 65, "longer than 128 bytes"),
    ],
)
def test_anything_else_is_a_bad_path(text: str, problem: str) -> None:
    with pytest.raises(RequestError, match=problem) as caught:
        parse_collection_path(text)
    assert caught.value.code == "bad_path"
    caught.value.message.encode()  # it can be told


@pytest.mark.parametrize(
    "segment",
    ["x" * 128, "é" * 64, "...", " ", "%2F", "a\u00a0b", "\u2028", "c?x=1", "c#part", "?", "#"],
)
def test_what_looks_odd_is_a_name_like_any_other(segment: str) -> None:
    assert parse_collection_path(f"/a/b/{segment}").collection == segment


def test_segments_compare_by_code_point() -> None:
    composed, decomposed = "/a/b/\u00e9", "/a/b/e\u0301"
    assert parse_collection_path(composed) != parse_collection_path(decomposed)
    assert parse_collection_path("/a/b/C") != parse_collection_path("/a/b/c")
    assert parse_collection_path("/a/b/%43") != parse_collection_path("/a/b/C")


@given(st.text(st.characters(exclude_categories=[])))
def test_every_text_is_split_or_refused(text: str) -> None:
    wanted = tuple(segment for segment in text.split("/") if segment)
    with contextlib.suppress(RequestError):
        assert split_path(text) == wanted
