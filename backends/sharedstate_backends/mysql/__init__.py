"""The store in one database of MySQL or MariaDB."""
