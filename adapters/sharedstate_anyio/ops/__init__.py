"""What operators ask, and what they are told unasked."""
