import json
import os
import resource
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from experiments import DIGITS, trained

from lava_nbp.errors import CheckpointError, ConfigError, OutputError
from lava_nbp.nbp.paper import training_circuit
from lava_nbp.nbp.weights import initial_weights
from lava_nbp.runs.evaluate import evaluate_run
from lava_nbp.runs.train import train
from lava_nbp.training.checkpoint import CHECKPOINT, Checkpoint, load_checkpoint
from lava_nbp.training.run import load_result, load_run

#: Folders of runs as the version before wrote them, in format 2.
FORMAT_2 = Path(__file__).parents[1] / "golden" / "format2"
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


@pytest.mark.parametrize("name", ["nbp", "eventprop"])
def test_a_folder_of_the_format_before_is_read(tmp_path, name):
    """Evaluated it gives the figures of then, and it goes on."""
    run = tmp_path / name
    shutil.copytree(FORMAT_2 / name, run)
    before, result = load_checkpoint(run), load_result(run)
    found = evaluate_run(run)
    for which in ("last", "chosen"):
        expected = {key: value for key, value in result[which].items() if key != "epoch"}
        assert {key: found[which][key] for key in expected} == expected
    config = load_run(run).config
    train(config.model_copy(update={"epochs": 3}), run, resume=True)
    after = load_checkpoint(run)
    assert after.history[:2] == before.history
    assert after.epoch == 3
    with np.load(run / CHECKPOINT) as archive:
        assert json.loads(str(archive["meta"]))["format"] == 3


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
    with pytest.raises(CheckpointError, match="has format 1, but this version reads 2 and 3; train anew"):
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


def rewritten(folder, **arrays):
    """The checkpoint of a folder with other arrays; None: without one."""
    with np.load(folder / CHECKPOINT) as archive:
        there = {name: archive[name] for name in archive.files}
    np.savez(folder / CHECKPOINT, **{k: v for k, v in (there | arrays).items() if v is not None})


def meta_of(folder):
    with np.load(folder / CHECKPOINT) as archive:
        return json.loads(str(archive["meta"]))


@pytest.mark.parametrize(
    "change",
    [
        {"config": None}, {"config": []}, {"config": "x"}, {"config": {"data": 3}}, {"config": {"algorithm": []}},
        {"layers": None}, {"layers": "40"}, {"layers": [40]}, {"layers": [40, -30, 4]}, {"layers": [40, 30.5, 4]},
        {"layers": [[40], 30, 4]}, {"layers": {"a": 1}}, {"history": None}, {"history": {}}, {"history": [3]},
        {"history": [[]]}, {"history": [{}]}, {"history": [{"epoch": "1"}]}, {"history": [{"epoch": 2}]},
        {"history": [{"epoch": -1}]}, {"history": [{"epoch": 1, "seconds": "x"}]}, {"history": [{"epoch": 1, "a": []}]},
        {"history": [{"epoch": True}]}, {"circuit": []}, {"circuit": "x"}, {"circuit": {}}, {"format": "3"},
        {"format": None}, {"format": [3]},
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", [2, 3])
def test_what_stands_beside_the_arrays_has_its_types(tmp_path, change, form):
    checkpoint().save(tmp_path)
    rewritten(tmp_path, meta=json.dumps(meta_of(tmp_path) | {"format": form} | change))
    with pytest.raises((CheckpointError, ConfigError)) as caught:
        load_run(tmp_path)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "meta",
    ["null", "[]", "", "{}", "[" * 100_000, '{"config":' * 100_000, '{"format": ' + "9" * 5000 + "}", "3", '"x"'],
    ids=str,
)
def test_what_stands_beside_the_arrays_is_an_object(tmp_path, meta):
    checkpoint().save(tmp_path)
    rewritten(tmp_path, meta=meta)
    with pytest.raises(CheckpointError, match=r"checkpoint.npz is truncated or corrupt \(.*\); delete it"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    "arrays",
    [
        {"meta": np.arange(3)}, {"meta": np.array(["a", "b"])}, {"meta": np.array(3)}, {"meta": None},
        {"weights/W1": np.array("text")}, {"weights/W1": np.zeros((40, 30), complex)}, {"weights/W1": np.array(3)},
        {"weights/W1": np.zeros((0, 30), np.int16)}, {"weights/W1": np.full((40, 30), np.nan)}, {"weights/W1": None},
        {"weights/W1": np.zeros((40, 30), "M8[D]")}, {"chosen/W1": np.zeros((40, 30, 1), np.int16)},
        {"weights/W1": np.zeros((40, 30))},
        {"weights/W9": np.zeros((2, 2))}, {"others/W1": np.zeros(2)}, {"W1": np.zeros(2)}, {"/": np.zeros(2)},
    ],
)  # fmt: skip
def test_arrays_of_wrong_types(tmp_path, arrays):
    checkpoint().save(tmp_path)
    rewritten(tmp_path, **arrays)
    with pytest.raises(CheckpointError, match="truncated or corrupt|does not fit its network"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("kind", ["FIFO", "folder"])
def test_a_checkpoint_that_is_no_file(tmp_path, kind):
    (os.mkfifo if kind == "FIFO" else os.mkdir)(tmp_path / CHECKPOINT)
    with pytest.raises(CheckpointError, match="it is a FIFO|Is a directory"):
        load_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="File name too long"):
        load_checkpoint(tmp_path / ("n" * 300))


def test_metrics_that_could_not_be_read_again_are_not_written(tmp_path):
    bad = checkpoint()
    bad.history[0]["colour"] = "red"
    with pytest.raises(CheckpointError, match=r"what no checkpoint holds: history.0.colour = 'red'"):
        bad.save(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_history_that_lacks_what_a_run_is_summed_up_from(tmp_path):
    shutil.copytree(FORMAT_2 / "nbp", tmp_path / "run")
    for key in ("test_exact", "seconds"):
        meta = meta_of(FORMAT_2 / "nbp")
        del meta["history"][1][key]
        rewritten(tmp_path / "run", meta=json.dumps(meta))
        with pytest.raises(CheckpointError, match=f"checkpoint.npz does not have {key} of epoch 2"):
            evaluate_run(tmp_path / "run")
        config = load_run(tmp_path / "run").config
        with pytest.raises(CheckpointError, match=f"does not have {key} of epoch 2"):
            train(config, tmp_path / "run", resume=True)
