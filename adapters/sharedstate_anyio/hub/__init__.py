"""The embedding of the core, and the storage operations that it asks for."""
