"""Data of the first generation, and how a store takes it over."""
