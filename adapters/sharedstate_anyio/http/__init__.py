"""HTTP: requests, the pages and files to answer them with, and the upgrade to WebSocket."""
