"""The wire, in and out: no other module knows a JSON key."""
