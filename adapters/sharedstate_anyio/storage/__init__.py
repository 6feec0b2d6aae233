"""Storage of services: found, opened, checked against the contract, measured."""
