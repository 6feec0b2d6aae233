"""The items of a collection in memory, what changed in them since when, and how that is encoded."""
