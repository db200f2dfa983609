import json
import os
import resource
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from experiments import DIGITS, Notes, trained

from lava_nbp.errors import CheckpointError, OutputError
from lava_nbp.nbp.paper import training_circuit
from lava_nbp.nbp.weights import initial_weights
from lava_nbp.runs.evaluate import evaluate_run
from lava_nbp.runs.train import train
from lava_nbp.training.checkpoint import CHECKPOINT, Checkpoint, load_checkpoint
from lava_nbp.training.run import load_result, load_run

#: Folders of runs as versions before wrote them.
GOLDEN = Path(__file__).parents[1] / "golden"
FORMAT_2 = GOLDEN / "format2"
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
    assert loaded.circuit == CIRCUIT
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


def test_any_names_of_matrices_are_kept_apart(tmp_path):
    """Those of a circuit, those chosen, and the memory: whatever they are called."""
    names = ("meta", "chosen_W1", "memory_W1", "weights/W1")
    own = replace(
        CIRCUIT,
        matrices=tuple(replace(m, name=name) for m, name in zip(CIRCUIT.matrices, names, strict=False)),
        projections=tuple(replace(p, matrix=names[int(p.matrix[1]) - 1]) for p in CIRCUIT.projections),
    )
    weights = initial_weights(own, np.random.default_rng(0))
    memory = {name: np.arange(k) for k, name in enumerate(names)}
    Checkpoint({}, LAYERS, weights, chosen=weights, memory=memory, circuit=own).save(tmp_path)
    loaded = load_checkpoint(tmp_path)
    assert (list(loaded.weights), list(loaded.chosen), list(loaded.memory)) == ([*names[:2]], [*names[:2]], [*names])
    assert [len(array) for array in loaded.memory.values()] == [0, 1, 2, 3]


@pytest.mark.parametrize("written", ["format2", "format3"])
@pytest.mark.parametrize("name", ["nbp", "eventprop"])
def test_a_folder_of_a_format_before_is_read(tmp_path, name, written):
    """Evaluated it gives the figures of then, and it goes on, with a note that nobody knows on which samples."""
    run = tmp_path / name
    shutil.copytree(GOLDEN / written / name, run)
    before, result = load_checkpoint(run), load_result(run)
    found = evaluate_run(run)
    for which in ("last", "chosen"):
        expected = {key: value for key, value in result[which].items() if key != "epoch"}
        assert {key: found[which][key] for key in expected} == expected
    config = load_run(run).config
    progress = Notes()
    train(config.model_copy(update={"epochs": 3}), run, resume=True, progress=progress)
    assert "does not know the samples that it learned from" in progress.notes[-1]
    after = load_checkpoint(run)
    assert (before.data, after.data) == (None, load_run(run).learner.identity)
    assert after.history[:2] == before.history
    assert after.epoch == 3
    with np.load(run / CHECKPOINT) as archive:
        assert json.loads(str(archive["meta"]))["format"] == 4


def test_the_circuit_of_the_format_before_follows_from_its_configuration():
    expected = training_circuit(36, 12, 10, guarded=True, chip_order=True)
    assert load_checkpoint(FORMAT_2 / "nbp").circuit == expected
    assert load_checkpoint(FORMAT_2 / "eventprop").circuit is None


def test_keys_of_the_format_before_that_mean_nothing_are_left_out(tmp_path):
    """Today's configurations refuse them, but nobody can edit those of a run."""
    with np.load(FORMAT_2 / "nbp" / CHECKPOINT) as archive:
        arrays = {name: archive[name] for name in archive.files}
    meta = json.loads(str(arrays.pop("meta")))
    meta["config"]["data"] |= {"root": "/data", "path": "mine.npz"}
    np.savez(tmp_path / CHECKPOINT, meta=json.dumps(meta), **arrays)
    config = load_run(tmp_path).config
    assert (config.data.name, config.data.crop, config.data.root, config.data.path) == ("digits", 1, None, None)


def test_formats_that_are_not_read(tmp_path):
    np.savez(tmp_path / CHECKPOINT, meta=json.dumps({"format": 1}))
    with pytest.raises(CheckpointError, match="has format 1, but this version reads 2, 3, 4; train anew"):
        load_checkpoint(tmp_path)


def test_a_circuit_that_was_changed_by_hand(tmp_path):
    run = trained(tmp_path, DIGITS, "epochs=1", "data.train=60")
    with np.load(run.folder / CHECKPOINT) as archive:
        arrays = {name: archive[name] for name in archive.files}
    meta = json.loads(str(arrays.pop("meta")))
    for change, message in (
        ({"circuit": None}, r"layers are \(64, 20, 10\), but those of the circuit None"),
        ({"layers": [64, 21, 10]}, r"layers are \(64, 21, 10\), but those of the circuit \(64, 20, 10\)"),
        ({"circuit": {**meta["circuit"], "period": 3}}, "circuit: circuit .nbp.: reward phase is 6"),
        ({"algorithm": "nbq"}, None),
    ):
        changed = meta | change if message else meta | {"config": {**meta["config"], **change}}
        np.savez(run.folder / CHECKPOINT, meta=json.dumps(changed), **arrays)
        expected = f"does not fit its network: .*{message}" if message else "algorithm is 'nbq', but must be one of nbp"
        with pytest.raises(CheckpointError, match=expected):
            load_checkpoint(run.folder)
