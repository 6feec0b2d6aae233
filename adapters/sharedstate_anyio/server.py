"""The whole server as one `async with`: storage, listeners, connections, and an orderly stop."""

import logging
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Final

import anyio

from sharedstate_backends import Backend
from sharedstate_backends.error_collector import ErrorCollector
from sharedstate_core.driver import Driver

from .auth import Authenticator
from .config.addresses import address_of, is_loopback
from .config.config import Config
from .config.exposure import check_folders
from .config.live import LiveConfig
from .config.reload import Reload, compare
from .config.services import ServiceConfig
from .connections.acceptor import Acceptor
from .handed_in import check_backends, check_sockets, complete
from .http.answers import Answers
from .http.files import Files
from .http.handshake import ConnectionContext
from .http.rendering import ServiceInfo
from .http.site import Site
from .hub.hub import Hub
from .hub.peer import Peer
from .hub.polling import look_forever
from .hub.pruning import prune_forever
from .logs.events import about
from .logs.repeated_errors import RepeatedErrors
from .net.listening import Listener, accept_forever, load_certificates, open_listeners, take_over
from .net.tls import Tls
from .ops import cautions
from .ops.endpoints import Endpoints
from .storage.contract_checks import BrokenContractError, call
from .storage.instrumented import InstrumentedBackend
from .storage.plugins import build_backends, open_backend
from .tasks.own_task import in_own_task
from .websocket.keepalive import KeepAlive

log = logging.getLogger("sharedstate")

FINISH_SECONDS: Final = 10.0
"""How long an orderly stop waits for storage to finish what was accepted, in seconds."""

GOODBYE_SECONDS: Final = 4.0
"""How long it then waits for peers to read their last messages and answer the close frame, or to read their HTTP
answers, in seconds."""


class RunningServer:
    """A server that accepts connections."""

    def __init__(
        self,
        listeners: Sequence[Listener],
        config: Config,
        backends: Mapping[str, Backend],
        change: Callable[[Reload], Reload],
        driver: Driver[Peer],
    ) -> None:
        self._listeners = listeners
        self._config = config
        self._backends = backends
        self._change = change
        self._driver = driver

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """(host, port) of each listening TCP socket, as bound."""
        return [each.address for each in self._listeners if not isinstance(each.address, str)]

    @property
    def paths(self) -> list[str]:
        """Path of each listening UNIX socket."""
        return [each.address for each in self._listeners if isinstance(each.address, str)]

    @property
    def port(self) -> int:
        """The port of the first TCP socket; the same on every address of one host.

        Raises:
            RuntimeError: the server listens only on UNIX sockets; see `paths`.
        """
        for _, port in self.addresses:
            return port
        raise RuntimeError(f"it listens on UNIX sockets only, {', '.join(self.paths)}: no port")

    @property
    def url(self) -> str:
        """The page to open in a browser; with `ws` for `http`, the URL for clients.

        Empty if the server listens only on UNIX sockets.
        """
        for listener in self._listeners:
            if not isinstance(listener.address, str):
                host, port = listener.address
                if host in {"0.0.0.0", "::"}:  # noqa: S104  (compared, not bound)
                    host = "localhost"
                scheme = "http" if listener.tls is None else "https"
                return (
                    f"{scheme}://[{host}]:{port}/" if ":" in host else f"{scheme}://{host}:{port}/"
                )
        return ""

    @property
    def size(self) -> int:
        """The number of connections, subscriptions and collections in memory, all together; 0: it rests."""
        return self._driver.server.size()

    def kick(self, user: str) -> int:
        """Sign out a user, by id, for good: all the user's connections are closed, and their clients stay away.

        Whoever has a valid token can come back with it: withdraw that first.

        Returns:
            The number of connections.
        """
        return self._driver.kick(user, time.monotonic())

    def reload(self, config: Config | None = None) -> Reload | None:
        """Reload the certificates, for new connections, and adopt a configuration, if one is given.

        Certificate files that cannot be used are logged and change nothing.

        Args:
            config: a new configuration; its limits, origins, hosts, compression, metrics, files, auth and rules take
                effect at once. Files with keys and secrets are read again.

        Returns:
            What has changed and what needs a restart; None without a configuration.

        Raises:
            TypeError: `config` is not a `Config`.
            ConfigurationError: its `auth` cannot be used; nothing has changed.
        """
        outcome = None
        if config is not None:
            outcome = self._change(compare(self._config, complete(config, self._backends)))
            self._config = outcome.config
            log.info("configuration reloaded: %s", outcome, extra=about("reloaded"))
        secured = [each.tls for each in self._listeners]
        for tls in dict.fromkeys(secured):
            if tls is not None:
                tls.reload()
        cautions.warn("certificate_expires", *cautions.expiring(secured))
        return outcome


@in_own_task
async def serve(
    config: Config,
    *,
    backends: Mapping[str, Backend] | None = None,
    sockets: Sequence[socket.socket] = (),
) -> AsyncIterator[RunningServer]:
    """Run a server inside the caller's own program, on asyncio or trio.

    Leaving the block stops it in order: no new connections are accepted, accepted updates are finished, every client
    gets its answers and close code 1001, and storage is closed.

    Args:
        config: what to serve and where.
        backends: objects that store the collections of services, by the services' names: in place of
            services of the configuration, or in addition to them. They are opened and closed here, once.
        sockets: distinct listening sockets to use instead of the configured addresses (socket activation). They belong
            to the server, which closes them at the end, and also if it cannot start. Only if an argument is refused
            (`TypeError`, `ValueError`, or `ListenError` for a socket that does not listen) do they stay as they were,
            and the caller's.

    Raises:
        TypeError, ValueError: an argument is invalid.
        ConfigurationError: a service cannot be set up as configured, or certificates or folders cannot be used.
        StorageError: a service's storage cannot be used.
        ListenError: an address cannot be listened on, or a socket does not listen.
        Exception: whatever the block raises passes through unchanged.
    """
    made = {} if backends is None else backends
    check_backends(made)
    config = complete(config, made)
    check_sockets(sockets)
    async with AsyncExitStack() as stack:
        listeners: list[Listener] = []
        for sock in sockets:
            stack.callback(sock.close)
        # All mistakes of the configuration are reported first: they remain when the port is free again.
        with ErrorCollector() as errors:
            built = errors.attempt(build_backends, config, made) or {}
            secured = errors.attempt(load_certificates, config.listen) or []
            errors.attempt(check_folders, config)
            repeated = RepeatedErrors()
            authenticator = errors.attempt(Authenticator, config.auth, repeated)
        if sockets:
            listeners += take_over(secured, sockets)
        for listen, tls in () if sockets else zip(config.listen, secured, strict=True):
            for listener in open_listeners(listen, tls):
                stack.callback(listener.close)
                listener.listen = listen
                listeners.append(listener)
        _trust(listeners, config)
        cautions.warn("certificate_expires", *cautions.expiring(each.tls for each in listeners))
        for service in config.services:
            await _open(stack, built[service.name], service)
        infos = [ServiceInfo(s.name, s.store, in_memory=s.in_memory) for s in config.services]
        live = LiveConfig(_in_force(config, sockets))
        context = ConnectionContext(live, Site(infos), KeepAlive(config.transport))
        instrumented = {name: InstrumentedBackend(backend, name) for name, backend in built.items()}
        looks = {s.name: s.poll_seconds for s in config.services if s.poll_seconds}
        async with _accepting(
            listeners, instrumented, context, looks, repeated, authenticator
        ) as driver:

            def change(outcome: Reload) -> Reload:
                new, keys = outcome.config, {*outcome.changed}
                if authenticator is not None and authenticator.change(new.auth):
                    keys.add("auth")
                live.now = _in_force(new, sockets)
                driver.change_limits(new.limits)
                if keys & {"auth", "rules"}:
                    _trust(listeners, new)
                    driver.change_access(new.access, time.monotonic())
                more = (key for key in keys if key not in outcome.changed)
                return outcome._replace(changed=(*outcome.changed, *more))

            yield RunningServer(listeners, config, made, change, driver)


def _trust(listeners: Sequence[Listener], config: Config) -> None:
    """Tell listeners whether they are behind a proxy that signs people in, and warn of what is probably not meant."""
    auth = config.auth
    for each in listeners:
        each.trusted = auth is not None and each.listen is not None and auth.trusts(each.listen)
    where = [each.where for each in listeners if cautions.is_open(each)]
    cautions.warn("open_to_anybody", cautions.open_to_anybody(where, config.access))
    cautions.warn("access_incomplete", cautions.incomplete_access(config.auth, config.rules))


def _in_force(config: Config, sockets: Sequence[socket.socket]) -> Config:
    """Add the names that the server has anyway to those of the configuration."""
    hosts = [listen.host for listen in config.listen if listen.unix is None]
    local = not sockets and len(hosts) == len(config.listen) and all(map(is_loopback, hosts))
    names = [host for host in hosts if address_of(host) is None]
    return replace(config, hosts=config.hosts.with_own(config.origins, names, local=local))


async def _open(stack: AsyncExitStack, backend: Backend, service: ServiceConfig) -> None:
    opened = False

    async def close() -> None:
        with anyio.CancelScope(shield=True):  # storage is closed, whatever ends the program
            try:
                await call(backend.close(), "close")
            except BrokenContractError as error:
                if opened:  # otherwise `open` has reported it already
                    about_it = about("close_failed", service=service.name)
                    log.error("%s: %s", service.place, error, extra=about_it)  # noqa: TRY400
            except Exception:
                about_it = about("close_failed", service=service.name)
                log.exception("%s: closing it failed", service.place, extra=about_it)

    stack.push_async_callback(close)
    await open_backend(backend, service)
    opened = True


@asynccontextmanager
async def _accepting(
    listeners: Sequence[Listener],
    backends: Mapping[str, InstrumentedBackend],
    context: ConnectionContext,
    looks: Mapping[str, float],
    errors: RepeatedErrors,
    authenticator: Authenticator | None,
) -> AsyncIterator[Driver[Peer]]:
    async with anyio.create_task_group() as own, anyio.create_task_group() as peers:
        hub = Hub(backends, own, context.live, errors, authenticator)
        secured = [each.tls for each in listeners if each.tls is not None]
        endpoints = Endpoints(hub, backends, secured, context.live, own)
        files = Files(context.live, hub.errors)
        context = replace(context, endpoints=endpoints, files=files, gate=hub.shared.gate)
        acceptor = Acceptor(hub, context, peers)
        accepting = anyio.CancelScope()

        def accepted(listener: Listener, sock: socket.socket, host: str, tls: Tls | None) -> None:
            acceptor.accepted(sock, host, tls, trusted=listener.trusted)

        async def accept() -> None:
            with accepting:
                async with anyio.create_task_group() as tasks:
                    for listener in listeners:
                        tasks.start_soon(accept_forever, listener, partial(accepted, listener))
            for listener in listeners:
                listener.close()  # better refused at once than kept waiting

        own.start_soon(hub.run)
        own.start_soon(endpoints.watch_loop)
        own.start_soon(endpoints.watch_storage)
        own.start_soon(context.keep_alive.run)
        own.start_soon(accept)
        for service, backend in backends.items():
            own.start_soon(prune_forever, hub.driver, hub.errors, service, backend)
        for service, seconds in looks.items():
            own.start_soon(
                look_forever, hub.driver, hub.errors, service, backends[service], seconds
            )

        try:
            yield hub.driver
        finally:
            accepting.cancel()
            with anyio.CancelScope(shield=True):
                await _end(hub, context.answers)
            hub.errors.tell(everything=True)
            peers.cancel_scope.cancel()
            own.cancel_scope.cancel()


async def _end(hub: Hub, answers: Answers) -> None:
    if not await hub.finish(FINISH_SECONDS):
        text = "storage did not finish within %g s; its last answers are lost"
        log.error(text, FINISH_SECONDS, extra=about("storage_unfinished"))
    with anyio.move_on_after(GOODBYE_SECONDS):
        await hub.wait_empty()
        await answers.wait_none()
