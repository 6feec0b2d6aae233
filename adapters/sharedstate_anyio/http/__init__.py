"""HTTP: requests, the pages and files that answer them, and the upgrade to WebSocket."""
