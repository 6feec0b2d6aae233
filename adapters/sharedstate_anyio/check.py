"""The command `sharedstate-anyio check`: what a start would stumble over, all of it, and nothing is started."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio

from sharedstate_backends import ConfigurationError, StorageError

from .censor import Censor
from .listening import ListenError, open_listeners
from .logs import printable
from .services import build_backend
from .tls import Tls

if TYPE_CHECKING:
    from sharedstate_backends import Backend

    from .config import Config, ServiceConfig
    from .listeners import Listen

OPEN_SECONDS: Final = 30.0
"""How long a service may take to open, and to close."""

ALL_WELL: Final = 0
UNUSABLE: Final = 1
WRONG: Final = 2


async def check(config: Config) -> int:
    """Look at everything that a configuration names, and tell of it, one line each.

    Returns:
        The exit status: 0; 1 if something cannot be used at the moment; 2 if the configuration is wrong.
    """
    several = len(config.listen) > 1
    status = ALL_WELL
    for index, listen in enumerate(config.listen):
        place = f"service.listen[{index}]" if several else "service"
        status = max(status, _listener(listen, place))
    for index, service in enumerate(config.services):
        status = max(status, await _service(service, f"services[{index}]"))
    return status


def _listener(listen: Listen, place: str) -> int:
    try:
        if listen.unix is None:
            # Any free port: the one configured may be in use, by the very server that is checked.
            for listener in open_listeners(dataclasses.replace(listen, port=0)):
                listener.close()
        else:
            if listen.ssl is not None:
                Tls(listen.ssl)
            folder = Path(listen.unix).parent
            if not folder.is_dir():
                return _fault(f"{place}.unix: there is no folder {str(folder)!r}; create it", WRONG)
    except ConfigurationError as error:
        return _fault(str(error), WRONG)
    except ListenError as error:
        return _fault(f"{place}.host: cannot listen on {listen.host}: {error.reason}", UNUSABLE)
    return _well(f"{place}: {listen}{'' if listen.ssl is None else ', TLS'}")


async def _service(service: ServiceConfig, place: str) -> int:
    censor = Censor([dict(service.config)])
    try:
        backend = build_backend(service, place)
    except ConfigurationError as error:
        return _fault(str(error), WRONG)
    except Exception as error:  # noqa: BLE001  (whatever a plugin raises is its fault)
        problem = f"{place}.module: making the service failed: {type(error).__name__}: {error}"
        return _fault(censor(problem), WRONG)
    try:
        await _open_and_close(backend)
    except TimeoutError:
        problem = f"{place}: opening or closing it took longer than {OPEN_SECONDS:g} s"
        return _fault(problem, UNUSABLE)
    except ConfigurationError as error:
        return _fault(censor(f"{place}.config.{error}"), WRONG)
    except StorageError as error:
        return _fault(censor(f"{place}: {error}"), UNUSABLE)
    except Exception as error:  # noqa: BLE001
        problem = f"{place}: opening it failed: {type(error).__name__}: {error}"
        return _fault(censor(problem), UNUSABLE)
    return _well(f"{place}: {service.name}: {service.store}")


async def _open_and_close(backend: Backend) -> None:
    with anyio.fail_after(OPEN_SECONDS):
        try:
            await backend.open()
        finally:
            await backend.close()


def _well(line: str) -> int:
    print(f"ok: {printable(line)}")
    return ALL_WELL


def _fault(line: str, status: int) -> int:
    print(f"sharedstate-anyio: {printable(line)}", file=sys.stderr)
    return status
