"""Tasks: blocks that own one, and those that are kept for the next job."""
