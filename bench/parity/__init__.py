"""Scores on real data, against PyTorch."""
