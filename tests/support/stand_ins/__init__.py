"""What the documentation uses and the tests do not install."""
