"""Connections: admitted, and served until they close."""
