"""Other servers that tell many readers what one of them wrote: a small program for each, and how to speak to it."""
