"""The nBP algorithm: the circuit as data, and executors derived from it. Nothing here imports Lava."""
