"""The configuration: its document, what each key of it comes to, and what a new one changes."""
