"""What the core decides by a table: data that runs, and that ARCHITECTURE prints."""
