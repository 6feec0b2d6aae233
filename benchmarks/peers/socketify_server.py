"""The library `socketify` (uWebSockets): what a client sends is published to all of them; nothing is kept."""

from __future__ import annotations

import socket
from typing import Any

from socketify import App, OpCode

with socket.create_server(("127.0.0.1", 0)) as probe:
    port = probe.getsockname()[1]


def opened(ws: Any) -> None:
    """Join."""
    ws.subscribe("all")
    ws.send("hello", OpCode.TEXT)


app = App()


def message(ws: Any, text: str, opcode: OpCode) -> None:  # noqa: ARG001
    """Tell all, the sender included."""
    app.publish("all", text, opcode)


app.ws(
    "/*", {"open": opened, "message": message, "idle_timeout": 0, "send_pings_automatically": False}
)
app.listen({"port": port, "host": "127.0.0.1"}, lambda _: print(f"port {port}", flush=True))
app.run()
