"""The core's decision tables: data that is both executed and printed in ARCHITECTURE."""
