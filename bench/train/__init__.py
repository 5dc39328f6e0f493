"""A training step, against peers."""
