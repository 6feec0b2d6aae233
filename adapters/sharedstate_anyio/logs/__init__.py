"""The log, and the console output of the commands."""
