"""What docs/users-and-rights.md uses of FastAPI, and a server for it: `serve(app, port)`, in place of uvicorn."""

from __future__ import annotations

import inspect
import json
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from .responses import PlainTextResponse, Response

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Body", "Cookie", "FastAPI", "HTTPException", "Response", "serve"]


class HTTPException(Exception):  # noqa: N818  (as there)
    def __init__(self, status_code: int) -> None:
        super().__init__(status_code)
        self.status_code = status_code


class Body:
    """A member of the JSON that is sent."""


class Cookie:
    """A cookie."""

    def __init__(self, default: str) -> None:
        self.default = default


class FastAPI:
    """The functions of an application, by method and path."""

    def __init__(self) -> None:
        self.routes: dict[tuple[str, str], tuple[Callable[..., Any], int]] = {}

    def get(self, path: str, status_code: int = 200) -> Callable[[Any], Any]:
        return self._route("GET", path, status_code)

    def post(self, path: str, status_code: int = 200) -> Callable[[Any], Any]:
        return self._route("POST", path, status_code)

    def _route(self, method: str, path: str, status: int) -> Callable[[Any], Any]:
        def add(function: Callable[..., Any]) -> Callable[..., Any]:
            self.routes[method, path] = function, status
            return function

        return add

    def answer(self, method: str, path: str, cookies: dict[str, str], body: bytes) -> Response:
        if (method, path) not in self.routes:
            return Response("", 404)
        function, status = self.routes[method, path]
        response = Response("", status)
        given: dict[str, object] = {}
        for name, parameter in inspect.signature(function).parameters.items():
            match parameter.default:
                case Cookie(default=default):
                    given[name] = cookies.get(name, default)
                case Body():
                    given[name] = json.loads(body)[name]
                case _:
                    given[name] = response
        try:
            return function(**given) or response
        except HTTPException as error:
            return PlainTextResponse("", error.status_code)


def serve(app: FastAPI, port: int) -> None:
    """Serve an application on this machine, for ever."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._do("GET")

        def do_POST(self) -> None:
            self._do("POST")

        def _do(self, method: str) -> None:
            cookies = {
                name: each.value
                for name, each in SimpleCookie(self.headers.get("Cookie", "")).items()
            }
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            response = app.answer(method, self.path, cookies, body)
            self.send_response(response.status_code)
            for header in response.headers:
                self.send_header(*header)
            self.send_header("Content-Length", str(len(response.body)))
            self.end_headers()
            self.wfile.write(response.body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
