"""Small data sets in torchvision's layout."""

import struct

import numpy as np

NAMES = {"train": (60, "train"), "test": (20, "t10k")}


def write_mnist(root, folder="MNIST", seed=0):
    """Write 60 training and 20 test images of 28 x 28 pixels; return the raw folder and the arrays."""
    raw = root / folder / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    arrays = {}
    for part, (n, prefix) in NAMES.items():
        labels = (np.arange(n) % 10).astype(np.uint8)
        # Every class lights its own rows, so that a small network can learn it.
        images = (rng.random((n, 28, 28)) * 60).astype(np.uint8)
        for i, label in enumerate(labels):
            images[i, 4 + 2 * label : 6 + 2 * label, 6:22] = 200
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 0x803, n, 28, 28) + images.tobytes())
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, n) + labels.tobytes())
        arrays[part] = images, labels
    return raw, arrays
