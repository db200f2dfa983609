"""Experiments: configuration, learners, checkpoints, metrics."""
