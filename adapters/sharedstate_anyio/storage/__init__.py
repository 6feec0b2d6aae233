"""A service's storage: found, opened, held to its contract, and measured."""
