"""WebSocket: frames in both directions, compression, fair turns, keepalive."""
