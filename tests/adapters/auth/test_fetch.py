"""Fetching a key set from real servers on this machine, good ones and others."""

from __future__ import annotations

import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.abc import SocketAttribute
from anyio.streams.tls import TLSStream

from sharedstate_anyio.auth import Authenticator, AuthRequest, Unauthenticated
from sharedstate_anyio.auth.fetch import MAX_BYTES, FetchError, fetch, loader
from sharedstate_anyio.auth.key_set import KeySet
from sharedstate_anyio.auth.verification_keys import from_jwk
from sharedstate_anyio.config.auth import AuthConfig
from sharedstate_anyio.config.jwt import JwtConfig
from sharedstate_anyio.logs.repeated_errors import RepeatedErrors
from tests.support.ports import free_port
from tests.support.tokens import Signer, key_set

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from anyio.abc import ByteStream

    from tests.support.secure import Authority


@asynccontextmanager
async def provider(
    answer: Callable[[bytes], bytes], secured: ssl.SSLContext | None = None, port: int = 0
) -> AsyncIterator[str]:
    """Run a server that answers each request with the bytes that a function returns, and hangs up."""

    async def handle(stream: ByteStream) -> None:
        async with stream:
            head = b""
            while b"\r\n\r\n" not in head and head[:1] in {b"", b"G"}:
                head += await stream.receive()
            await stream.send(answer(head))

    async def serve(stream: ByteStream) -> None:
        gone = (OSError, anyio.BrokenResourceError, anyio.EndOfStream, anyio.ClosedResourceError)
        async with stream:
            with contextlib.suppress(*gone):
                if secured is None:
                    await handle(stream)
                    return
                await handle(
                    await TLSStream.wrap(
                        stream, server_side=True, ssl_context=secured, standard_compatible=False
                    )
                )

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port)
    port = listener.extra(SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield f"http{'s' if secured else ''}://localhost:{port}/keys?v=1"
        tasks.cancel_scope.cancel()


def ok(body: bytes, more: str = "") -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


async def test_over_http() -> None:
    asked: list[bytes] = []

    def answer(head: bytes) -> bytes:
        asked.append(head)
        return ok(b"content")

    async with provider(answer) as address:
        assert await fetch(address, None) == b"content"
        assert asked[0].startswith(b"GET /keys?v=1 HTTP/1.1\r\nHost: localhost:")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "its server does not speak HTTP"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "its server does not speak HTTP"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "answers with status 404"),
        (b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", "answers with status 500"),
        (b"HTTP/1.1 204 No\r\n\r\n", "answers with status 204"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://localhost/\r\nContent-Length: 0\r\n\r\n",
            "it is at another address now (status 302); write that one",
        ),
        (ok(b"x" * (MAX_BYTES + 1)), "it is longer than 262,144 bytes"),
        (ok(b"half of it").replace(b"h: 10", b"h: 20"), "its server does not speak HTTP"),
    ],
)
async def test_what_is_no_answer(answer: bytes, said: str) -> None:
    async with provider(lambda _: answer) as address:
        with pytest.raises(FetchError) as caught:
            await fetch(address, None)
        assert said in str(caught.value)


async def test_other_answers_that_are_one() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    for answer in (
        chunked,
        b"HTTP/1.0 200 OK\r\n\r\nabc",
        b"HTTP/1.1 103 Wait\r\n\r\n" + ok(b"abc"),
    ):
        async with provider(lambda _, a=answer: a) as address:  # type: ignore[misc]
            assert await fetch(address, None) == b"abc"


async def test_nobody_there() -> None:
    with pytest.raises(FetchError, match="its server cannot be reached"):
        await fetch(f"http://127.0.0.1:{free_port()}/", None)


async def test_over_https_from_whom_is_trusted(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with provider(lambda _: ok(b"content"), authority.context("localhost")) as address:
        with pytest.raises(FetchError, match="its server is not trusted"):
            await loader(address)()
        monkeypatch.setenv("SSL_CERT_FILE", authority.file)
        assert await loader(address)() == b"content"
    async with provider(lambda _: ok(b"content"), authority.context("other.example")) as address:
        with pytest.raises(FetchError, match="its server is not trusted"):
            await loader(address)()
    async with provider(lambda _: ok(b"content")) as address:
        with pytest.raises(FetchError):
            await loader(address.replace("http:", "https:"))()


async def test_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    with pytest.raises(FetchError, match="the file cannot be read: No such file"):
        await loader(str(file))()
    file.write_bytes(b"content")
    assert await loader(str(file))() == b"content"
    file.write_bytes(b"x" * (MAX_BYTES + 1))
    with pytest.raises(FetchError, match="it is longer than"):
        await loader(str(file))()


async def test_a_provider_that_is_away_and_back(caplog: pytest.LogCaptureFixture) -> None:
    first, second = Signer("ES256", "a"), Signer("ES256", "b")
    port, now = free_port(), [0.0]
    keys = KeySet(
        loader(f"http://127.0.0.1:{port}/"), lambda jwk: from_jwk(jwk, ()), "p", lambda: now[0]
    )

    async def refusal(kid: str) -> str:
        with pytest.raises(Unauthenticated) as caught:
            await keys.find(kid)
        return caught.value.reason

    async with anyio.create_task_group() as tasks:
        async with provider(lambda _: ok(key_set(first)), port=port):
            tasks.start_soon(keys.run)
            old = await keys.find("a")
        now[0] = 10
        assert await refusal("b") == "unavailable"
        assert await keys.find("a") is old
        now[0] = 3600
        async with provider(lambda _: ok(key_set(second)), port=port):
            assert (await keys.find("b")).alive
        assert not old.alive
        tasks.cancel_scope.cancel()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "p: its server cannot be reached" in caplog.text
    caplog.clear()


async def test_tokens_of_an_identity_provider(
    rsa: Signer, caplog: pytest.LogCaptureFixture
) -> None:
    """All of it: keys are fetched in the background, and those who come meanwhile wait."""
    other = Signer("RS256", "other")
    async with provider(lambda _: ok(key_set(rsa))) as address:
        jwks = JwtConfig(jwks=address, audience=("sharedstate",))
        authenticator = Authenticator(AuthConfig(jwt=jwks), RepeatedErrors())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(authenticator.run)
            found = await authenticator.authenticate(AuthRequest(rsa.token()))
            assert found is not None
            for token, said in (
                (other.token(), "the key that has signed the token is not known"),
                (other.token(kid=rsa.kid), "the signature of the token fits none of the keys"),
                (Signer("HS256", secret=rsa.pem).token(kid=rsa.kid), "signed by HS256, and no key"),
                (rsa.token(alg="ES256"), "the token is signed by ES256, and no key is made for"),
            ):
                with pytest.raises(Unauthenticated, match=said) as caught:
                    await authenticator.authenticate(AuthRequest(token))
                assert caught.value.reason == "invalid"
            tasks.cancel_scope.cancel()
