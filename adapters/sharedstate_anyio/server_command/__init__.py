"""The command `sharedstate-anyio`."""
