"""`patches/patches.json`: what one patch makes of one item."""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec
import pytest

from sharedstate_core import Limits, MismatchError, RequestError, apply
from sharedstate_core.wire.decode import decode_write

from .layout import FOLDER, lay_out, load

FILE: Final = FOLDER / "patches" / "patches.json"
VECTORS: Final = load(FILE)


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["about"])
def test_what_a_patch_makes_of_an_item(case: dict[str, Any]) -> None:
    arg = msgspec.Raw(b'{"patch":[%b]}' % case["patch"].encode())
    state = {} if case["item"] is None else {"a": case["item"].encode()}
    if "bad_update" in case:
        with pytest.raises(RequestError) as refused:
            decode_write(arg, Limits())
        assert (refused.value.code, refused.value.place) == ("bad_update", case["bad_update"])
        return
    update = decode_write(arg, Limits()).write.update
    if "mismatch" in case:
        with pytest.raises(MismatchError) as misfit:
            apply(state, update)
        assert (misfit.value.code, misfit.value.place) == ("mismatch", case["mismatch"])
        assert misfit.value.id == "a"
    else:
        assert apply(state, update)["a"].decode() == case["result"]


def test_the_file_is_laid_out() -> None:
    assert FILE.read_text("utf-8") == lay_out(VECTORS) + "\n"
    for case in VECTORS["cases"]:
        for text in (case["item"], case["patch"], case.get("result")):
            json.loads(text or "null")
