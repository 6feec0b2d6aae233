"""Storage of services: finding, opening, checking and measuring backends."""
