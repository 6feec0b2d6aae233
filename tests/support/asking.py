"""Questions by HTTP, and the metrics as Prometheus reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from tests.support.peer import open_peer

if TYPE_CHECKING:
    from collections.abc import Mapping


async def ask(
    port: int, target: str, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], str]:
    """Ask a server on this machine by HTTP; return status, headers in lower case, body."""
    fields = {"Host": "localhost", "Connection": "close", **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    async with open_peer(port) as peer:
        await peer.send(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode())
        head, _, body = (await peer.receive_all()).partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    pairs = (line.split(": ", 1) for line in rest)
    return int(first.split()[1]), {name.lower(): value for name, value in pairs}, body.decode()


async def numbers(port: int) -> Mapping[str, float]:
    """Return our samples as Prometheus reads them: `name`, or `name{values}` of its labels, sorted by label."""
    status, headers, body = await ask(port, "/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=")
    samples: dict[str, float] = {}
    for family in text_string_to_metric_families(body):
        assert family.documentation
        for sample in family.samples:
            labels = ",".join(value for _, value in sorted(sample.labels.items()))
            samples[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return {
        name.removeprefix("sharedstate_"): value
        for name, value in samples.items()
        if name.startswith("sharedstate_")
    }
