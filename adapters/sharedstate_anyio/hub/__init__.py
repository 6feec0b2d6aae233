"""The embedding of the core, and its storage operations."""
