"""The tables in MySQL or MariaDB: how they are made, and what they hold."""
