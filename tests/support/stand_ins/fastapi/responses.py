"""What docs/users-and-rights.md uses of FastAPI's responses."""

from __future__ import annotations

from pathlib import Path


class Response:
    """An answer."""

    media = "text/plain"

    def __init__(self, content: str = "", status_code: int = 200) -> None:
        self.body = content.encode()
        self.status_code = status_code
        self.headers = [("Content-Type", f"{self.media}; charset=utf-8")]

    def set_cookie(self, key: str, value: str, *, httponly: bool, samesite: str) -> None:
        flag = "; HttpOnly" if httponly else ""
        self.headers.append(("Set-Cookie", f'{key}="{value}"; Path=/; SameSite={samesite}{flag}'))

    def delete_cookie(self, key: str) -> None:
        self.headers.append(("Set-Cookie", f'{key}=""; Max-Age=0; Path=/'))


class PlainTextResponse(Response):
    """A text."""


class FileResponse(Response):
    """A file."""

    media = "text/html"

    def __init__(self, name: str) -> None:
        super().__init__(Path(name).read_text("utf-8"))
