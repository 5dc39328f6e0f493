"""Beside busy processes."""
