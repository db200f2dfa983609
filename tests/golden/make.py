"""Write trace_7-6-3.npz with the independent simulator: a few samples in which every population fires."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
from circuit_oracle import simulate
from networks import random_samples

layers = (7, 6, 3)
rng = np.random.default_rng(11)
weights = {"W1": 2 * rng.integers(-40, 128, (7, 6)), "W2": 2 * rng.integers(-40, 128, (6, 3))}
x, labels, _ = random_samples(6, layers, rng, density=0.7)
spikes, matrices = simulate(x, labels, **weights)
for name, rows in spikes.items():
    assert rows.any(), f"{name} never fires; choose another seed"
np.savez_compressed(
    Path(__file__).with_name("trace_7-6-3.npz"),
    x=x,
    labels=labels,
    **{name: w.astype(np.int16) for name, w in weights.items()},
    **{f"spikes/{name}": rows.astype(np.uint8) for name, rows in spikes.items()},
    **{f"weights/{name}": w.astype(np.int16) for name, w in matrices.items()},
)
