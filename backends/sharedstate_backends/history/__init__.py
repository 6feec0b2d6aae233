"""Whether storage goes on from what was told of it, or has gone back: the guard of history, for every store."""
