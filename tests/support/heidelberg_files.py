"""Files as the Heidelberg data sets are published, SHD and SSC: small, and made up."""

import h5py
import numpy as np

CLASSES = {"shd": 20, "ssc": 35}


def write(path, recordings, labels, keys):
    """`recordings`: (times in s, units) of each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, k, dtype in (("times", 0, np.float16), ("units", 1, np.uint16)):
            rows = file.create_dataset(f"spikes/{name}", (len(recordings),), dtype=h5py.vlen_dtype(np.dtype(dtype)))
            for place, recording in enumerate(recordings):
                rows[place] = np.array(recording[k], dtype)
        file["labels"] = np.array(labels, np.uint16)
        file["extra/keys"] = np.array(keys, "S12")
        file["extra/speaker"] = np.zeros(len(labels), np.uint16)
        file["extra/meta_info/gender"] = np.array([b"f", b"m"])


def drawn(n, seed):
    """Recordings of some 30 events in a second."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(20, 40, n)
    return [(np.sort(rng.uniform(0, 1, k)).astype(np.float16), rng.integers(0, 700, k)) for k in sizes]


def published(root, name="shd", sizes=(("train", 12), ("test", 5))):
    """All files of a set below a root, and what they hold: recordings and labels by part."""
    made = {}
    for seed, (part, n) in enumerate(sizes):
        made[part] = drawn(n, seed), np.arange(n) % CLASSES[name]
        keys = [f"word {k}" for k in range(CLASSES[name])]
        write(root / name.upper() / f"{name}_{part}.h5", *made[part], keys)
    return made
