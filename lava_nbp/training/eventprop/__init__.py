"""EventProp for the training loop."""
