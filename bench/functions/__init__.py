"""Transformed functions, against peers."""
