"""The wire format, decoded and encoded: JSON keys appear in no other module."""
