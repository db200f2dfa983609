import json
import os
import resource
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from experiments import DIGITS, YINYANG, Notes, trained

from lava_nbp.data.identity import DataIdentity
from lava_nbp.errors import CheckpointError, ConfigError, OutputError
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
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda member: member.compress_size)
    content[largest.header_offset + 200 + largest.compress_size // 2] ^= 0xFF
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
        # Until format 4 a sample to which no output responds was a tie, and right.
        expected = {
            key: value for key, value in result[which].items() if key not in ("epoch", "test_accuracy_ties_right")
        }
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
        assert json.loads(str(archive["meta"]))["format"] == 6


LATE = (
    "epochs=2", "data.train=60", "clocked.dt=0.5", "network.initial_delay=[6, 3]",
    "network.recurrent_deviation=[0.2, 0]", "network.recurrent_delay=[4, 0]", "clocked.largest_recurrent=[1, 1]",
)  # fmt: skip


@pytest.mark.parametrize("form", [4, 5])
@pytest.mark.parametrize("per", ["synapse", "source"])
def test_delays_of_clocked_runs_were_whole_steps(tmp_path, form, per):
    """They have 20 fractional bits today: the run says what it said, and goes on."""
    run = trained(tmp_path, YINYANG, *LATE, f"network.delays_per={per}", "target=clocked").folder
    said, names = evaluate_run(run), ("D1", "D2", "E1")
    whole = {n: np.rint(load_checkpoint(run).weights[n] / 2**20).astype(np.int64) for n in names}
    written = {f"{part}/{name}": steps for name, steps in whole.items() for part in ("weights", "chosen")}
    rewritten(run, meta=json.dumps(meta_of(run) | {"format": form}), **written)
    state = load_checkpoint(run)
    for name, steps in whole.items():
        assert 3 <= steps.max() <= 12
        for weights in (state.weights, state.chosen):
            assert weights[name].dtype == np.int64
            np.testing.assert_array_equal(weights[name], steps * 2**20)
    assert evaluate_run(run) == said
    assert evaluate_run(run, "lava") == said | {"target": "lava"}
    train(load_run(run).config.model_copy(update={"epochs": 3}), run, resume=True)
    assert meta_of(run)["format"] == 6
    np.testing.assert_array_equal(load_checkpoint(run).weights["D1"], whole["D1"] * 2**20)
    # As written today they are no whole steps of then: nothing else is read as steps.
    rewritten(run, meta=json.dumps(meta_of(run) | {"format": form}))
    with pytest.raises(CheckpointError, match="D1 has delays outside 0 .. 62 steps"):
        load_run(run)


@pytest.mark.parametrize("form", [4, 5])
def test_delays_of_continuous_runs_were_ms_before_too(tmp_path, form):
    run = trained(tmp_path, YINYANG, *LATE, "learning.delay_rate=50").folder
    said, before = evaluate_run(run), load_checkpoint(run)
    rewritten(run, meta=json.dumps(meta_of(run) | {"format": form}))
    after = load_checkpoint(run)
    for part in ("weights", "chosen", "memory"):
        was, now = getattr(before, part), getattr(after, part)
        assert was.keys() == now.keys()
        assert all(np.array_equal(was[name], now[name]) and was[name].dtype == now[name].dtype for name in was)
    assert evaluate_run(run) == said


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
    with pytest.raises(CheckpointError, match="has format 1, but this version reads 2, 3, 4, 5, 6; train anew"):
        load_checkpoint(tmp_path)


def test_a_circuit_that_was_changed_by_hand(tmp_path):
    run = trained(tmp_path, DIGITS, "epochs=1", "data.train=60")
    with np.load(run.folder / CHECKPOINT) as archive:
        arrays = {name: archive[name] for name in archive.files}
    meta = json.loads(str(arrays.pop("meta")))
    for change, message in (
        ({"circuit": None}, r"layers are \(64, 20, 10\), but those of the circuit None"),
        ({"layers": [64, 21, 10]}, r"layers are \(64, 21, 10\), but those of the circuit \(64, 20, 10\)"),
        ({"circuit": {**meta["circuit"], "period": 3}}, "circuit: circuit .nbp.: output_phase is 4"),
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
@pytest.mark.parametrize("form", [2, 3, 4])
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


# ------------------------------------------------------------------ state that is not whole, or not a state


def changed(folder, change, meta=None):
    """Change the arrays of a checkpoint by hand, and, if `meta` is given, what it says of itself."""
    with np.load(folder / CHECKPOINT) as archive:
        arrays = {name: archive[name] for name in archive.files}
    said = json.loads(str(arrays.pop("meta")))
    change(arrays)
    said |= {"arrays": list(arrays)} if meta is None else meta
    np.savez(folder / CHECKPOINT, meta=json.dumps(said), **arrays)


def test_an_array_that_is_gone_or_too_much_is_noticed_without_knowing_its_meaning(tmp_path):
    saved = checkpoint()
    saved.memory = {"m": np.zeros(3)}
    for change in (
        lambda arrays: arrays.pop("memory/m"),
        lambda arrays: arrays.update({"memory/n": np.zeros(3)}),
        lambda arrays: [arrays.pop(name) for name in list(arrays) if name.startswith("chosen/")],
    ):
        saved.save(tmp_path)
        changed(tmp_path, change, meta={})
        with pytest.raises(
            CheckpointError, match=r"truncated or corrupt \(it holds the arrays .*, but was written with"
        ):
            load_checkpoint(tmp_path)


def test_memory_that_is_no_finite_number(tmp_path):
    for bad in (np.array([0, np.nan]), np.array([np.inf]), np.array(["a"]), np.zeros(2, complex)):
        saved = checkpoint()
        saved.memory = {"m": bad}
        saved.save(tmp_path)
        with pytest.raises(
            CheckpointError, match="m'? has dtype .*, (or entries that are not finite|but only real numbers)"
        ):
            load_checkpoint(tmp_path)


def test_identity_of_the_data_is_kept_and_checked(tmp_path):
    saved = checkpoint()
    saved.data = DataIdentity("digits", "published", "0" * 64)
    saved.save(tmp_path)
    assert load_checkpoint(tmp_path).data == saved.data
    for bad in ({"name": "digits"}, {"name": 1, "source": "a", "sha256": "b"}, [], "digits"):
        changed(tmp_path, lambda arrays: None, meta={"data": bad})
        with pytest.raises(CheckpointError, match="truncated or corrupt"):
            load_checkpoint(tmp_path)


TINY = ("epochs=1", "data.train=30", "data.validation=10", "data.test=10", "network.hidden=[5]")


def times(name, factor):
    return lambda arrays: arrays.update({name: arrays[name] * factor})


def without(*names):
    return lambda arrays: [arrays.pop(name) for name in list(arrays) if name.removeprefix("memory/") in names]


def put(name, value):
    return lambda arrays: arrays.update({name: value})


@pytest.mark.parametrize(
    ("settings", "changes"),
    [
        (
            ("target=continuous", "learning.silent=spike_count", "network.recurrent_deviation=[0.1,0]"),
            {
                "no memory at all": without("steps", "m0", "v0", "m1", "v1", "m2", "v2", "pull0", "pull1"),
                "part of it": without("v1"),
                "no pulls": without("pull0", "pull1"),
                "too much": put("memory/m3", np.zeros(3)),
                "another shape": put("memory/m0", np.zeros(3)),
                "another type": lambda arrays: arrays.update({"memory/m0": arrays["memory/m0"].astype(np.float32)}),
                "steps before the first": put("memory/steps", np.array(-1)),
                "negative squares": times("memory/v0", -1.0),
                "no loops": lambda arrays: [arrays.pop(part + "/R1") for part in ("weights", "chosen")],
                "integers": lambda arrays: arrays.update({"weights/W1": np.zeros_like(arrays["weights/W1"], int)}),
            },
        ),
        (
            ("target=clocked",),
            {
                "no memory at all": without("steps0", "m0", "v0", "steps1", "m1", "v1"),
                "part of it": without("steps1"),
                "too much": put("memory/steps2", np.array([1])),
                "another shape": put("memory/steps0", np.array(3)),
                "another type": lambda arrays: arrays.update({"memory/m0": arrays["memory/m0"] * 1.0}),
                "steps before the first": times("memory/steps0", -1),
                "steps without end": put("memory/steps0", np.array([2**63 - 1])),
                "means that no gradients have": put("memory/m1", np.full((5, 3), 1 << 40)),
                "negative squares": put("memory/v1", np.full((5, 3), -1)),
                "real weights": lambda arrays: arrays.update({"weights/W1": arrays["weights/W1"] * 1.0}),
                "real chosen weights": lambda arrays: arrays.update({"chosen/W2": arrays["chosen/W2"] * 1.0}),
                "large weights": put("weights/W2", np.full((5, 3), 1 << 30)),
                "the largest negative": put("weights/W2", np.full((5, 3), -(2**63))),
            },
        ),
        (("target=clocked", "learning.optimizer=sgd"), {"too much": put("memory/m0", np.zeros((5, 5), int))}),
        (
            ("target=clocked", "network.initial_delay=[4, 0]", "learning.delay_rate=10", "network.longest_delay=20"),
            {
                "no memory of delays": without("steps2", "m2", "v2"),
                "delays that are real": lambda arrays: arrays.update({"weights/D1": arrays["weights/D1"] * 1.0}),
                "weights: no delays": lambda arrays: [arrays.pop(part + "/D1") for part in ("weights", "chosen")],
                "weights: too long": put("weights/D1", np.full((5, 5), (40 << 20) + 1)),  # steps of 0.5 ms
                "weights: negative": put("chosen/D1", np.full((5, 5), -1)),
            },
        ),
    ],
)
def test_state_is_whole_or_refused(tmp_path, settings, changes):
    run = trained(tmp_path, YINYANG, *TINY, *settings).folder
    whole = (run / CHECKPOINT).read_bytes()
    config = load_run(run).config.model_copy(update={"epochs": 2})
    for name, change in changes.items():
        (run / CHECKPOINT).write_bytes(whole)
        changed(run, change)
        before = (run / CHECKPOINT).read_bytes()
        with pytest.raises(CheckpointError, match="checkpoint"):
            pytest.fail(f"{name}: {train(config, run, resume=True)}")
        assert (run / CHECKPOINT).read_bytes() == before
        if "weights" in name:
            with pytest.raises(CheckpointError, match="does not fit its network"):
                evaluate_run(run)
    (run / CHECKPOINT).write_bytes(whole)
    assert train(config, run, resume=True)["epochs"] == 2


def test_copies_that_a_circuit_does_not_have(tmp_path):
    run = trained(tmp_path, DIGITS, "epochs=1", "data.train=60", "target=spiking").folder
    config = load_run(run).config.model_copy(update={"epochs": 2})
    for bad in (np.zeros((64, 20), np.int16), np.full((64, 20), 3)):
        changed(run, put("memory/W1", bad))
        with pytest.raises(CheckpointError, match="remembers of learning does not fit its network: projections named"):
            train(config, run, resume=True)
