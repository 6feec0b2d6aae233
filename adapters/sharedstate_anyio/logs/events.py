"""What a line of the log is about, for machines."""

from __future__ import annotations


def about(name: str, /, **fields: object) -> dict[str, object]:
    """Return what `extra` of a log call takes: the event's name and what belongs to it; see `formatting`."""
    return {"fields": {"event": name, **fields}}
