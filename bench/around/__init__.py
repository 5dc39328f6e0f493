"""What lies around the arithmetic: batches, losses, metrics, predictions, updates, calls from Python, memory."""
