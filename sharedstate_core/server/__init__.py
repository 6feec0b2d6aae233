"""All collections and connections of a process: the inputs, and their dispatch."""
