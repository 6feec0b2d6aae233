"""Commits in MySQL or MariaDB, from the queue to the outcome."""
