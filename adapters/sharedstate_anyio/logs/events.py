"""Machine-readable events of log lines."""

from __future__ import annotations


def about(name: str, /, **fields: object) -> dict[str, object]:
    """Return the `extra` of a log call: the event's name and its fields; see `formatting`."""
    return {"fields": {"event": name, **fields}}
