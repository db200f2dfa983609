import os
import resource

import numpy as np
import pytest

from lava_nbp.errors import CheckpointError, OutputError
from lava_nbp.nbp.paper import training_circuit
from lava_nbp.nbp.weights import initial_weights
from lava_nbp.training.checkpoint import CHECKPOINT, Checkpoint, load_checkpoint

LAYERS = (40, 30, 4)
CIRCUIT = training_circuit(*LAYERS)


def checkpoint(seed=0):
    weights = initial_weights(CIRCUIT, np.random.default_rng(seed))
    history = [{"epoch": 1, "test_accuracy_spikes": 0.25}]
    return Checkpoint({"seed": seed}, LAYERS, weights, chosen=weights, history=history, circuit=CIRCUIT)


def test_round_trip_without_pickle(tmp_path):
    saved = checkpoint()
    saved.save(tmp_path)
    loaded = load_checkpoint(tmp_path)
    assert (loaded.config, loaded.layers, loaded.history, loaded.epoch) == (saved.config, LAYERS, saved.history, 1)
    for name in ("W1", "W2"):
        assert np.array_equal(loaded.weights[name], saved.weights[name])
        assert np.array_equal(loaded.chosen[name], saved.chosen[name])
        assert loaded.weights[name].dtype == np.int16
    with np.load(tmp_path / CHECKPOINT, allow_pickle=False) as archive:
        assert {archive[name].dtype.kind for name in archive.files} <= {"i", "U"}


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.9, -1])
def test_truncated(tmp_path, keep):
    checkpoint().save(tmp_path)
    path = tmp_path / CHECKPOINT
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(CheckpointError, match=r"checkpoint.npz is truncated or corrupt .*; delete it"):
        load_checkpoint(tmp_path)


def test_changed_bytes_are_noticed(tmp_path):
    checkpoint().save(tmp_path)
    path = tmp_path / CHECKPOINT
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path)


def test_missing_and_foreign_files(tmp_path):
    with pytest.raises(CheckpointError, match="is missing; .* is not the folder of a run"):
        load_checkpoint(tmp_path)
    np.savez(tmp_path / CHECKPOINT, W1=np.zeros((2, 2)))
    with pytest.raises(CheckpointError, match="truncated or corrupt"):
        load_checkpoint(tmp_path)
    bad = checkpoint()
    bad.weights["W1"] = bad.weights["W1"] + np.int16(1)
    bad.save(tmp_path)
    with pytest.raises(CheckpointError, match=r"does not fit its network: W1\[0, 0\]"):
        load_checkpoint(tmp_path)
    bad = checkpoint()
    bad.weights["W2"] = bad.weights["W2"][:, :3]
    bad.save(tmp_path)
    with pytest.raises(CheckpointError, match="does not fit its network: W2 has shape"):
        load_checkpoint(tmp_path)


def test_full_disk_keeps_the_older_checkpoint(tmp_path):
    old, new = checkpoint(0), checkpoint(1)
    old.save(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Writing beyond the limit fails in the midst of the file, as it does on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(
            OutputError, match=r"checkpoint.npz cannot be written: .*; the checkpoint.npz from before is kept"
        ):
            new.save(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir(tmp_path) == [CHECKPOINT]
    assert load_checkpoint(tmp_path).config == {"seed": 0}
