"""Connections to MySQL or MariaDB: opening them, sending statements, interpreting errors."""
