"""All collections and connections of a process: the inputs, and whom they concern."""
