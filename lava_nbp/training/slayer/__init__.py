"""SLAYER for the training loop."""
