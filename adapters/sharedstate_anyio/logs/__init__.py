"""What the log says, and what the commands say beside it."""
