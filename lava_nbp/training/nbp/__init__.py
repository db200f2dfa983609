"""nBP for the training loop."""
