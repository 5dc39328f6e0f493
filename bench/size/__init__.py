"""The cost of a step against width, depth, batch and threads."""
