"""Connections to a server: made, watched, and made again."""
