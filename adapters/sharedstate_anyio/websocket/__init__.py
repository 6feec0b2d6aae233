"""WebSocket: frames in both directions, whose turn it is, and who is still there."""
