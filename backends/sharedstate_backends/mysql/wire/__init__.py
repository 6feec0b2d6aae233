"""Connections to MySQL or MariaDB: how they are opened, what is sent, what errors mean."""
