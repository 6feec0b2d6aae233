"""Whoever connects: admitted, and served until the end."""
