"""A function that is asked who somebody is: plain or async, and whatever it does."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest

from sharedstate_anyio.auth import AuthRequest, Identity, Unauthenticated
from sharedstate_anyio.auth import function as function_module
from sharedstate_anyio.auth.function import Function, find
from sharedstate_anyio.logs.repeated_errors import RepeatedErrors
from sharedstate_backends import ConfigurationError
from tests.support.services.servers import until

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN = "part-of-a-secret-token"
NOW = 1000.0


def asked(function: Callable[..., Any], errors: RepeatedErrors | None = None) -> Function:
    return Function("m:f", function, errors or RepeatedErrors(), lambda: NOW)


async def refusal(function: Function) -> tuple[str, str]:
    with pytest.raises(Unauthenticated) as caught:
        await function.ask(AuthRequest(TOKEN, cookies={"a": "cookie-value"}))
    return caught.value.reason, caught.value.text


def complaint(caplog: pytest.LogCaptureFixture) -> str:
    """Return the one line in the log."""
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is None
    text = record.getMessage()
    for part in (TOKEN, TOKEN[:8], "cookie-value"):
        assert part not in text
    caplog.clear()
    return text


def make(result: object, kind: str) -> Callable[[AuthRequest], Any]:
    """Return a function that returns this, or raises it, of one kind or the other."""

    def plain(_: AuthRequest) -> object:
        if isinstance(result, BaseException):
            raise result
        return result

    async def coroutine(request: AuthRequest) -> object:
        return plain(request)

    class Odd:
        async def __call__(self, request: AuthRequest) -> object:
            return plain(request)

    found: dict[str, Any] = {
        "plain": plain,
        "async": coroutine,
        "partial": partial(coroutine),
        "object": Odd(),
    }
    return cast("Callable[[AuthRequest], Any]", found[kind])


kinds = pytest.mark.parametrize("kind", ["plain", "async", "partial", "object"])


@kinds
async def test_who_it_names(kind: str) -> None:
    user = {"id": "ann", "roles": ["editor"]}
    found = await asked(make({**user, "expires": 1001}, kind)).ask(AuthRequest(TOKEN))
    assert found == Identity(user, 1001.0)
    assert await asked(make(user, kind)).ask(AuthRequest()) == Identity(user, None)
    assert await asked(make({**user, "expires": None}, kind)).ask(AuthRequest()) == Identity(user)
    assert await asked(make(None, kind)).ask(AuthRequest()) is None


async def test_a_plain_one_is_called_in_a_thread() -> None:
    threads: list[int] = []

    def plain(request: AuthRequest) -> dict[str, object]:
        threads.append(threading.get_ident())
        return {"id": request.token}

    await asked(plain).ask(AuthRequest(TOKEN))
    assert threads != [threading.get_ident()]


async def test_what_it_returns_stays_its_own() -> None:
    user: dict[str, Any] = {"id": "ann", "more": {"a": [1]}}
    found = await asked(make(user, "plain")).ask(AuthRequest())
    user["more"]["a"].append(2)
    assert found == Identity({"id": "ann", "more": {"a": [1]}})


NONSENSE = [
    *("ann", 7, True, [], ("ann",), b"x", {}, {"id": 7}, {"id": ""}, {"id": "x" * 256}),
    *(
        {"id": "a", "expires": "1"},
        {"id": "a", "expires": True},
        {"id": "a", "expires": float("nan")},
    ),
    *({"id": "a", "expires": float("inf")}, {"id": "a", "x": object()}, {"id": "a", "x": "\ud800"}),
    *({"id": "a", 1j: 2}, {"id": "a", "x": "x" * 70_000}, {"id": "a", "x": {TOKEN: object()}}),
]


@kinds
@pytest.mark.parametrize("result", NONSENSE, ids=lambda each: str(each)[:30])
async def test_nonsense(kind: str, result: object, caplog: pytest.LogCaptureFixture) -> None:
    reason, text = await refusal(asked(make(result, kind)))
    assert (reason, text) == ("unavailable", "who this is cannot be told at the moment")
    assert complaint(caplog).startswith("m:f returned ")


async def test_what_is_deep_or_round(caplog: pytest.LogCaptureFixture) -> None:
    round_: dict[str, Any] = {"id": "a"}
    round_["x"] = round_
    deep: Any = 1
    for _ in range(33):
        deep = [deep]
    for result in (round_, {"id": "a", "x": deep}):
        assert (await refusal(asked(make(result, "plain"))))[0] == "unavailable"
        assert complaint(caplog).startswith("m:f returned what is n")


async def test_a_plain_one_that_forgets_to_wait(caplog: pytest.LogCaptureFixture) -> None:
    inner = make({"id": "a"}, "async")

    def forgetful(request: AuthRequest) -> object:
        return inner(request)

    assert (await refusal(asked(forgetful)))[0] == "unavailable"
    assert "returned a coroutine, and" in complaint(caplog)


@kinds
@pytest.mark.parametrize(
    "error", [ValueError("no"), OSError(2, "gone"), TimeoutError(), SystemExit(3), KeyError(TOKEN)]
)
async def test_what_it_raises(
    kind: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await refusal(asked(make(error, kind))))[0] == "unavailable"
    text = complaint(caplog)
    assert text.startswith(f"m:f raised {type(error).__name__}: ")
    assert f"{__file__}:" in text


@kinds
@pytest.mark.parametrize("said", [TOKEN, f"bad: {TOKEN[3:12]}", "x cookie-value", f"{TOKEN!r}\n"])
async def test_no_part_of_a_token_is_logged(
    kind: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    await refusal(asked(make(ValueError(said), kind)))
    assert "ValueError: (its text is left out" in complaint(caplog)


@kinds
async def test_it_may_say_why_not(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    for reason in ("missing", "invalid", "expired", "revoked", "unavailable"):
        error = Unauthenticated(reason, f"not {TOKEN}")
        found = await refusal(asked(make(error, kind)))
        assert found[0] == reason
        assert TOKEN not in found[1]
    odd = Unauthenticated("x", "y")  # type: ignore[arg-type]
    assert (await refusal(asked(make(odd, kind))))[0] == "invalid"
    assert await refusal(asked(make({"id": "a", "expires": NOW}, kind))) == (
        "expired",
        "the token has expired",
    )
    assert not caplog.records


async def test_what_it_raises_again_and_again_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    function = asked(make(ValueError("no"), "plain"))
    for _ in range(20):
        await refusal(function)
    complaint(caplog)


async def test_an_async_one_that_hangs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(function_module, "SECONDS", 0.01)

    async def hang(_: AuthRequest) -> None:
        await anyio.sleep_forever()

    assert (await refusal(asked(hang)))[0] == "unavailable"
    assert complaint(caplog) == "m:f did not answer within 0.01 s"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_what_it_waits_for_may_be_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    async def wait(_: AuthRequest) -> None:
        task = asyncio.ensure_future(asyncio.sleep(60))
        asyncio.get_running_loop().call_soon(task.cancel)
        await task

    assert (await refusal(asked(wait)))[0] == "unavailable"
    assert complaint(caplog).startswith("m:f raised CancelledError: ")


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_whoever_asks_may_be_cancelled_by_other_means() -> None:
    async def hang(_: AuthRequest) -> None:
        await anyio.sleep_forever()

    task = asyncio.ensure_future(asked(hang).ask(AuthRequest()))
    await anyio.wait_all_tasks_blocked()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_threads_that_hang_are_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(function_module, "SECONDS", 0.05)
    monkeypatch.setattr(function_module, "THREADS", 1)
    monkeypatch.setattr(function_module, "HUNG", 1)
    go_on = threading.Event()
    calls: list[int] = []

    def hang(_: AuthRequest) -> dict[str, str]:
        calls.append(1)
        go_on.wait(60)
        return {"id": "a"}

    function = asked(hang)
    try:
        for _ in range(4):
            assert (await refusal(function))[0] == "unavailable"
        assert len(calls) <= 2
        caplog.clear()
    finally:
        go_on.set()
    await until(lambda: not function._in_threads)
    assert await function.ask(AuthRequest()) == Identity({"id": "a"})


async def test_so_many_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function_module, "TASKS", 3)
    running, most, done = 0, 0, 0

    async def count(_: AuthRequest) -> dict[str, str]:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        for _turn in range(5):
            await anyio.lowlevel.checkpoint()
        running -= 1
        done += 1
        return {"id": "a"}

    function = asked(count)
    async with anyio.create_task_group() as tasks:
        for _ in range(30):
            tasks.start_soon(function.ask, AuthRequest())
    assert (most, done) == (3, 30)


async def test_whoever_leaves_stops_an_async_one() -> None:
    ended = anyio.Event()

    async def hang(_: AuthRequest) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(asked(hang).ask, AuthRequest())
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert ended.is_set()


def test_where_it_is(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "broken_auth.py").write_text("1 / 0\n")
    assert cast("object", find("time:sleep", "p")) is time.sleep
    assert cast("object", find("os.path:join", "p")) is os.path.join
    for name, said in (
        ("no_such_module:f", "p: importing no_such_module failed: ModuleNotFoundError"),
        ("broken_auth:f", "p: importing broken_auth failed: ZeroDivisionError: division by zero"),
        ("time:nothing", "p: time has no function nothing"),
        ("time:timezone", "p: time has no function timezone"),
        ("time:struct_time", "p: time has no function struct_time"),
        ("time:sleep.x", "p: time has no function sleep.x"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            find(name, "p")
        assert str(caught.value).startswith(said)
