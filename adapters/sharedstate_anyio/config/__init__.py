"""The configuration: the document, a module for each key, the schema, and reloading."""
