"""Benchmarks: backpass against what else one could use. `backpass bench`, or `python -m bench` in the sources."""
