"""A matrix product alone, against peers."""
