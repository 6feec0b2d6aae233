"""Commits in MySQL or MariaDB, from what waits to what came of it."""
