"""Content types by file name extension; the table of the system differs between machines."""

from __future__ import annotations

from pathlib import PurePath
from typing import Final

TYPES: Final = {
    "avif": b"image/avif",
    "css": b"text/css; charset=utf-8",
    "csv": b"text/csv; charset=utf-8",
    "gif": b"image/gif",
    "htm": b"text/html; charset=utf-8",
    "html": b"text/html; charset=utf-8",
    "ico": b"image/x-icon",
    "jpeg": b"image/jpeg",
    "jpg": b"image/jpeg",
    "js": b"text/javascript; charset=utf-8",
    "json": b"application/json",
    "map": b"application/json",
    "md": b"text/markdown; charset=utf-8",
    "mjs": b"text/javascript; charset=utf-8",
    "mp3": b"audio/mpeg",
    "mp4": b"video/mp4",
    "ogg": b"audio/ogg",
    "otf": b"font/otf",
    "pdf": b"application/pdf",
    "png": b"image/png",
    "svg": b"image/svg+xml",
    "ttf": b"font/ttf",
    "txt": b"text/plain; charset=utf-8",
    "wasm": b"application/wasm",
    "wav": b"audio/wav",
    "webm": b"video/webm",
    "webmanifest": b"application/manifest+json",
    "webp": b"image/webp",
    "woff": b"font/woff",
    "woff2": b"font/woff2",
    "xml": b"application/xml",
}

UNKNOWN: Final = b"application/octet-stream"


def type_of(name: str) -> bytes:
    """Return the value of `Content-Type` for a file of this name."""
    return TYPES.get(PurePath(name).suffix[1:].lower(), UNKNOWN)
