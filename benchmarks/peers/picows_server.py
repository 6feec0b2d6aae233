"""The library `picows`, on uvloop: what a client sends goes to all of them; nothing is kept."""

from __future__ import annotations

import logging

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

TRANSPORTS: set[WSTransport] = set()


class Relay(WSListener):
    """One connection."""

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Join."""
        TRANSPORTS.add(transport)
        transport.send(WSMsgType.TEXT, b"hello")

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Tell all."""
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()
        elif frame.msg_type == WSMsgType.TEXT:
            message = frame.get_payload_as_bytes()
            for each in TRANSPORTS:
                each.send(WSMsgType.TEXT, message)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Leave."""
        TRANSPORTS.discard(transport)


async def main() -> None:
    """Serve until it is killed."""
    server = await ws_create_server(lambda _: Relay(), "127.0.0.1", 0, backlog=4096)
    print(f"port {server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


logging.disable()  # that some do not read is no news
uvloop.run(main())
