"""One connection: its requests, its subscriptions, and what it is owed."""
