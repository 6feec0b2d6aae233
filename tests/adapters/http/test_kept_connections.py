"""Plain HTTP, one request after the other on one connection, and every bound of that."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
import anyio.lowlevel
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sharedstate_anyio import parse_config
from sharedstate_anyio.config.limits import TransportLimits
from sharedstate_anyio.http import exchange
from sharedstate_anyio.http.handshake import REQUEST_WEIGHT
from sharedstate_anyio.net.gate import AT_ONCE
from sharedstate_anyio.net.sockets import send_all
from tests.support.peer import Client, open_client, open_peer, upgrade_request
from tests.support.secure import Authority, open_secure_peer
from tests.support.services.servers import document, ending, running

if TYPE_CHECKING:
    from pathlib import Path

    from sharedstate_anyio import RunningServer
    from sharedstate_anyio.net.sockets import Stream
    from tests.support.peer import Peer

SECONDS = 20.0


class Answer(NamedTuple):
    status: int
    closes: bool
    body: bytes


class Browser:
    """Reads answers one by one."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self._data = b""

    async def answer(self, method: str = "GET") -> Answer:
        while b"\r\n\r\n" not in self._data:
            self._data += await self._more()
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        first, *lines = head.lower().decode().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines)
        status = int(first.split()[1])
        length = 0 if method == "HEAD" or status in {204, 304} else int(fields["content-length"])
        while len(self._data) < length:
            self._data += await self._more()
        body, self._data = self._data[:length], self._data[length:]
        return Answer(status, fields.get("connection") == "close", body)

    async def ask(self, target: str, method: str = "GET", more: str = "") -> Answer:
        await self.peer.send(request(target, method, more))
        return await self.answer(method)

    async def beginning(self, size: int) -> bytes:
        while len(self._data) < size:
            self._data += await self._more()
        return self._data

    async def is_over(self) -> bool:
        return not self._data and await self.peer.receive() == b""

    async def _more(self) -> bytes:
        data = await self.peer.receive()
        assert data, f"the connection ended after {self._data!r}"
        return data


def request(target: str, method: str = "GET", more: str = "") -> bytes:
    return f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode()


async def test_one_after_the_other() -> None:
    async with running() as server, open_peer(server.port) as peer:
        browser = Browser(peer)
        for target, method, status in [
            ("/", "GET", 200),
            ("/libs/sharedstate.es.js", "GET", 200),
            ("/", "HEAD", 200),
            ("/libs/sharedstate.es.js", "OPTIONS", 204),
            ("/nothing", "GET", 404),
            ("/readyz", "GET", 200),
            ("/", "POST", 405),
            ("/healthz", "GET", 200),
        ]:
            answer = await browser.ask(target, method)
            assert (answer.status, answer.closes) == (status, False)
        assert answer.body == b"ok\n"


async def test_an_upgrade_that_comes_later() -> None:
    """As a proxy sends it that keeps its connections; a message may come with it."""
    async with running() as server, open_peer(server.port) as peer:
        assert (await Browser(peer).ask("/healthz")).status == 200
        await peer.upgrade()
        assert await Client(peer).get("/") == ["items"]


async def test_requests_that_come_together() -> None:
    async with running() as server, open_peer(server.port) as peer:
        targets = ["/healthz", "/", "/nothing", "/libs/", "/healthz"]
        await peer.send(b"".join(map(request, targets)) + upgrade_request())
        browser = Browser(peer)
        alone = {target: await asked_alone(server, target) for target in targets}
        for target in targets:
            assert await browser.answer() == alone[target]
        assert (await browser.beginning(20)).startswith(b"HTTP/1.1 101 ")


async def asked_alone(server: RunningServer, target: str) -> Answer:
    async with open_peer(server.port) as peer:
        return await Browser(peer).ask(target)


@given(st.data())
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_wherever_the_network_cuts(anyio_backend_name: str, data: st.DataObject) -> None:
    targets = data.draw(st.lists(st.sampled_from(["/healthz", "/nothing", "/readyz"]), max_size=5))
    text = b"".join(map(request, [*targets, "/healthz"]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))

    async def run() -> None:
        async with running() as server, open_peer(server.port) as peer:
            for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
                await peer.send(text[begin:end])
                await anyio.wait_all_tasks_blocked()
            browser = Browser(peer)
            found = [(await browser.answer()).body for _ in targets]
            assert [body == b"ok\n" for body in found] == [each == "/healthz" for each in targets]
            assert (await browser.answer()).body == b"ok\n"

    anyio.run(run, backend=anyio_backend_name)


# Ends


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("GET", "Connection: close\r\n"),
        ("GET", "Connection: keep-alive, Close\r\n"),
        ("POST", "Content-Length: 5\r\n"),
        ("GET", "Content-Length: 5\r\n"),
        ("POST", "Transfer-Encoding: chunked\r\n"),
        ("GET", "Expect: 100-continue\r\nContent-Length: 5\r\n"),
    ],
)
async def test_what_ends_with_its_answer(method: str, more: str) -> None:
    async with running() as server, open_peer(server.port) as peer:
        browser = Browser(peer)
        assert (await browser.ask("/healthz")).closes is False
        await peer.send(request("/", method, more) + b"hello" + request("/healthz"))
        assert (await browser.answer()).closes
        assert await browser.is_over()


async def test_a_body_with_two_lengths_ends_it() -> None:
    """Whoever passed the request on may have seen the next one somewhere else."""
    async with running() as server, open_peer(server.port) as peer:
        browser = Browser(peer)
        for more, closes in (("", False), ("Content-Length: 5\r\n", True)):
            empty = request("/", "POST", f"{more}Transfer-Encoding: chunked\r\n") + b"0\r\n\r\n"
            await peer.send(empty)
            assert (await browser.answer()).closes is closes
        assert await browser.is_over()


async def test_an_old_client_gets_one_answer() -> None:
    async with running() as server, open_peer(server.port) as peer:
        await peer.send(b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 2)
        browser = Browser(peer)
        assert await browser.answer() == Answer(200, True, b"ok\n")
        assert await browser.is_over()


@pytest.mark.parametrize(
    "bad", [b"nonsense\r\n\r\n", b"\r\n", upgrade_request(Sec_WebSocket_Key="x")]
)
async def test_what_is_wrong_ends_it(bad: bytes) -> None:
    async with running() as server, open_peer(server.port) as peer:
        browser = Browser(peer)
        assert (await browser.ask("/healthz")).status == 200
        await peer.send(bad)
        answer = await browser.answer()
        assert (answer.status, answer.closes) == (400, True)
        assert await browser.is_over()


async def test_who_says_no_more_gets_what_was_asked_for() -> None:
    async with running() as server, open_peer(server.port) as peer:
        await peer.send(request("/healthz") * 3)
        peer.shut()
        browser = Browser(peer)
        assert [(await browser.answer()).status for _ in range(3)] == [200] * 3
        assert await browser.is_over()


# Bounds


async def test_as_many_as_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "REQUESTS", 3)
    async with running() as server, open_peer(server.port) as peer:
        await peer.send(request("/healthz") * 5)
        browser = Browser(peer)
        assert [(await browser.answer()).closes for _ in range(3)] == [False, False, True]
        assert await browser.is_over()


@pytest.mark.parametrize("idle_seconds", [0.05, 0])
async def test_who_asks_for_nothing_more(idle_seconds: float) -> None:
    transport = TransportLimits(idle_seconds=idle_seconds)
    async with running(transport=transport) as server, open_peer(server.port) as peer:
        browser = Browser(peer)
        assert (await browser.ask("/healthz")).closes is not bool(idle_seconds)
        assert await browser.is_over()


@pytest.mark.parametrize("begun", [b"G", b"GET / HTTP/1.1\r\nHost: localhost\r\n"])
async def test_a_slow_head_is_dropped(begun: bytes) -> None:
    """Also that of a later request, and one that begins together with the first."""
    transport = TransportLimits(head_seconds=0.2)
    async with running(transport=transport) as server:
        for first, second in [(b"", begun), (begun, b"")]:
            async with open_peer(server.port) as peer:
                browser = Browser(peer)
                await peer.send(request("/healthz") + first)
                assert (await browser.answer()).status == 200
                await peer.send(second)
                assert await browser.is_over()


async def test_every_head_has_its_own_bound() -> None:
    transport = TransportLimits(head_bytes=1024)
    long = f"A: {'x' * 900}\r\n"
    async with running(transport=transport) as server, open_peer(server.port) as peer:
        browser = Browser(peer)
        await peer.send(request("/healthz", more=long) * 5)
        for _ in range(5):
            assert (await browser.answer()).status == 200
        too_long = await browser.ask("/healthz", more=long * 2)
        assert (too_long.status, too_long.closes) == (431, True)
        assert await browser.is_over()


async def test_a_crowd_is_not_kept() -> None:
    """Half of the connections, in all or from one address, are for those who want something."""
    for transport in (
        TransportLimits(connections=4),
        TransportLimits(connections_per_address=4),
    ):
        async with running(transport=transport) as server:
            async with open_client(server.port), open_client(server.port):
                assert (await asked_alone(server, "/healthz")).closes
            await until_one_is_kept(server)


async def until_one_is_kept(server: RunningServer) -> None:
    with anyio.fail_after(SECONDS):
        while (await asked_alone(server, "/healthz")).closes:
            await anyio.lowlevel.checkpoint()


# What holds now, holds for the next request


async def test_origins_of_now() -> None:
    async with running() as server, open_peer(server.port) as peer:
        browser = Browser(peer)
        assert (await browser.ask("/healthz")).closes is False
        server.reload(parse_config({**document(), "origins": ["https://new.example"]}))
        await peer.send(upgrade_request(Origin="https://new.example"))
        assert (await peer.receive()).startswith(b"HTTP/1.1 101 ")


async def test_the_end() -> None:
    """It waits for nobody who has nothing to ask, and tells who does that it is the last answer."""
    async with ending() as (server, end), open_peer(server.port) as peer:
        browser = Browser(peer)
        assert (await browser.ask("/healthz")).closes is False
        with anyio.fail_after(3):
            end()
            assert await browser.is_over()


async def test_over_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    secured = {"host": "127.0.0.1", "port": 0, "ssl": authority.write()}
    config = parse_config({**document(), "service": secured})
    from sharedstate_anyio import serve

    async with (
        serve(config) as server,
        open_secure_peer(server.port, authority.trusted()) as peer,
    ):
        browser = Browser(peer)
        await peer.send(request("/healthz") * 2)
        assert [(await browser.answer()).status for _ in range(2)] == [200, 200]
        assert (await browser.ask("/")).closes is False
        await peer.upgrade()
        assert await Client(peer).get("/") == ["items"]


# Many of them


async def test_who_reads_slowly_keeps_no_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the `connections` that ask for the same and do not read, each is sent what there is once."""
    sent: list[bytes] = []

    async def send(sock: Stream, data: bytes) -> None:
        sent.append(data)
        await send_all(sock, data)

    monkeypatch.setattr(exchange, "send_all", send)
    target = "/libs/sharedstate.es.js.map"
    async with running() as server:
        answers = [await asked_alone(server, target) for _ in range(2)]
        short = await asked_alone(server, "/healthz")
    long = [data for data in sent if len(data) > exchange.SHORT_BYTES]
    assert [data == answer.body for data, answer in zip(long, answers, strict=True)] == [True] * 2
    assert long[0] is long[1]
    assert any(data.endswith(b"\r\n\r\n" + short.body) for data in sent)


async def test_what_many_ask_for_at_once_is_answered_by_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each of them has sent several requests, and none of them waits for anything."""
    herd, each, answered, most = 150, 40, 0, 0
    answer = exchange.Exchange.answer

    async def answer_counted(self: exchange.Exchange, *args: Any, **options: Any) -> bool:
        nonlocal answered
        answered += 1
        return await answer(self, *args, **options)

    async def count() -> None:
        nonlocal answered, most
        while True:
            most, answered = max(most, answered), 0
            await anyio.lowlevel.checkpoint()

    monkeypatch.setattr(exchange.Exchange, "answer", answer_counted)
    async with running() as server, AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(open_peer(server.port)) for _ in range(herd)]
        await anyio.wait_all_tasks_blocked()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(count)
            for peer in peers:
                await peer.send(request("/healthz") * each)
            for peer in peers:
                browser = Browser(peer)
                assert [(await browser.answer()).status for _ in range(each)] == [200] * each
            tasks.cancel_scope.cancel()
    assert most <= 3 * AT_ONCE // REQUEST_WEIGHT, most  # two turns may be counted as one
