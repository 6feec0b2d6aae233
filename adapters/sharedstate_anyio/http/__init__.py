"""HTTP: a request's head, what there is to answer, and the way to a WebSocket."""
