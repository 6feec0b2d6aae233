"""Tasks: blocks with a task of their own, and a pool of workers."""
