"""Sockets: listening, connected, and with TLS."""
