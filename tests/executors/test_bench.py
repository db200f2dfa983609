import json

import numpy as np
import pytest
from own_circuits import delta_circuit

from lava_nbp.base.threads import cores
from lava_nbp.errors import InputError, LavaNBPError, MissingPackageError
from lava_nbp.executors import bench as module
from lava_nbp.executors import bench_eventprop, bench_flow, bench_sample, bench_threads
from lava_nbp.nbp.paper import inference_circuit, training_circuit

SHAPES = (("three layers", (30, 20, 5), {}), ("sparse", (36, 50, 10, 4), {"patch": 3, "image": (1, 6, 6)}))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.delenv("LAVA_NBP_DATA", raising=False)
    monkeypatch.setattr(module, "_NETWORKS", (((12, 9, 4), 3, 1),))
    monkeypatch.setattr(bench_eventprop, "_EPOCHS", 1)
    monkeypatch.setattr(bench_eventprop, "_ORACLE", 1)
    monkeypatch.setattr(bench_eventprop, "_FUSED", 40)
    monkeypatch.setattr(bench_eventprop, "_DIFFERENCES", (4, 5, 2))
    monkeypatch.setattr(bench_eventprop, "_MESSAGES", 2)
    monkeypatch.setattr(bench_eventprop, "_MNIST_SAMPLES", 40)
    monkeypatch.setattr(bench_eventprop, "_BATCHES", (16, 32))
    monkeypatch.setattr(bench_flow, "_TURNS", 1)
    monkeypatch.setattr(bench_threads, "_PAIRS", 1)
    monkeypatch.setattr(bench_threads, "_SECONDS", 0.0)
    monkeypatch.setattr(module, "_TURNS", 1)
    monkeypatch.setattr(bench_sample, "_TURNS", 1)
    monkeypatch.setattr(bench_sample, "_SAMPLES", 30)
    monkeypatch.setattr(bench_sample, "SHAPES", SHAPES)
    monkeypatch.setattr(module, "_CHECKED", 20)


def test_every_executor_is_measured_with_its_work():
    report = module.bench(training_circuit(30, 20, 5), pre_train=200, samples=20)
    assert json.loads(json.dumps(report)) == report
    rows = report["executors"]
    assert [r["target"] for r in rows] == ["reference", "sample", "spiking", "lava", "lava", "lava-primitives"]
    for row in rows:
        assert row["samples"] == 20
        assert row["microseconds_per_sample"] > 0
        assert row["synaptic_events_per_sample"] > row["spikes_per_sample"] > 0
    assert rows[0]["times_the_first"] == 1
    assert report["left_out"] == []
    assert (report["circuit"], report["layers"], report["learning"]) == ("nbp", [30, 20, 5], True)
    # Same circuit, same samples: the same work, whatever runs it.
    work = [[r[k] for k in r if k.endswith("_per_sample") and "micro" not in k] for r in rows]
    assert work[0] == work[1]
    assert np.allclose(work[2], work[3])
    assert np.allclose(work[3], work[4])
    assert np.allclose(work[4], work[5])
    beside = report["beside_weight_rows"]
    assert beside["times"] == beside["sample_microseconds"] / beside["rows_microseconds"] > 0
    assert [row["shape"] for row in report["shapes"]] == ["three layers", "sparse"]
    assert report["shapes"][0]["times_three_layers"] == 1
    for row in report["shapes"]:
        assert row["microseconds_per_thousand"] * row["synaptic_events_per_sample"] == pytest.approx(
            1000 * row["microseconds_per_sample"]
        )
    networks = {row["target"]: row for row in report["networks"]}
    assert {name: row["processes"] for name, row in networks.items()} == {
        "lava": 3, "lava-primitives": 14, "lava-stock": 94
    }  # fmt: skip
    for row in networks.values():
        assert row["layers"] == [12, 9, 4]
        for measured in ("one_process", "own_processes", "times_faster"):
            assert list(row[measured]) == ["ms_per_step", "start_seconds", "stop_seconds"]
            assert min(row[measured].values()) > 0
    exact = report["eventprop"]
    assert exact["yinyang_data"] == "generated samples"
    assert 0 < exact["gradient_error"] < 1e-9
    assert 0 < exact["oracle_error"] < 1e-5
    assert exact["yinyang_seconds_per_epoch"] > 0
    clocked = {row["target"]: row["ms_per_sample"] for row in exact["clocked"]}
    assert list(clocked) == ["clocked", "lava", "lava-primitives"]
    assert all(ms > 0 for ms in clocked.values())
    assert exact["mnist_data"] == "random pixels"  # there are no files here
    assert list(exact["beside_flow"]) == ["Yin-Yang", "random pixels"]
    for beside, layers in zip(exact["beside_flow"].values(), ([5, 200, 3], [784, 350, 10]), strict=True):
        assert beside["layers"] == layers
        assert beside["times"] == beside["microseconds_per_sample"] / beside["flow_microseconds"] > 1
    assert list(exact["two_threads"]) == ["Yin-Yang", "random pixels"]
    for rows in exact["two_threads"].values() if cores() > 1 else ():
        assert [row["batch"] for row in rows] == [16, 32]
        assert min(row["times"] for row in rows) > 0
    # Five input spikes reach 200 neurons, forward and backward, and what these spike reaches three.
    assert 2000 < exact["beside_flow"]["Yin-Yang"]["neuron_events_per_sample"] < 2000 + 6 * 400
    assert exact["mnist_ms_per_sample"] == exact["beside_flow"]["random pixels"]["microseconds_per_sample"] / 1000


def test_without_lava_its_targets_are_left_out(monkeypatch):
    def nobody(what):
        raise MissingPackageError(f"{what} needs Lava")

    monkeypatch.setattr("lava_nbp.base.targets.require_lava", nobody)
    report = module.bench(training_circuit(12, 9, 4), pre_train=50, samples=5)
    assert [r["target"] for r in report["executors"]] == ["reference", "sample", "spiking"]
    assert report["left_out"] == [
        {"target": name, "reason": f"target '{name}' needs Lava"} for name in ("lava", "lava-primitives", "lava-stock")
    ]
    assert report["networks"] == []
    assert [r["target"] for r in report["eventprop"]["clocked"]] == ["clocked"]


def test_disagreement_is_not_timed(monkeypatch):
    from lava_nbp.nbp.sample_engine import SampleExecutor

    right = SampleExecutor.read_weights

    def wrong(self):
        return {name: w + 2 * (name == "W1") for name, w in right(self).items()}

    # The warm-up network is trained by the sample executor too; only what is compared must differ.
    start = module.make_executor

    def make(target, circuit, weights, **options):
        executor = start(target, circuit, weights, **options)
        if target == "sample" and "W1" in weights and make.calls:
            monkeypatch.setattr(SampleExecutor, "read_weights", wrong)
        make.calls += 1
        return executor

    make.calls = 0
    monkeypatch.setattr(module, "make_executor", make)
    with pytest.raises(LavaNBPError, match="sample disagrees with reference in W1"):
        module.bench(training_circuit(30, 20, 5), pre_train=50, samples=20)


@pytest.fixture
def circuits_only(monkeypatch):
    monkeypatch.setattr(module, "bench_eventprop", lambda seed: {})
    monkeypatch.setattr(module, "_networks", lambda seed: [])


def test_a_circuit_of_ones_own(circuits_only):
    """Not backpropagation, two layers, its own names: what refuses it is left out, with the reason."""
    report = module.bench(delta_circuit(6, 3), pre_train=50, samples=4)
    assert [row["executor"] for row in report["executors"]] == [
        "reference", "spiking", "lava, a sample per step", "lava, a step per step", "lava-primitives"
    ]  # fmt: skip
    (left_out,) = report["left_out"]
    assert left_out["target"] == "sample"
    assert "circuit 'delta': the per-sample engine compiles backpropagation from layer to layer" in left_out["reason"]
    assert all(row["updates_per_sample"] > 0 for row in report["executors"])


def test_a_circuit_that_only_answers(circuits_only):
    report = module.bench(inference_circuit(12, 9, 4), samples=4)
    assert not report["learning"]
    assert [row["target"] for row in report["executors"]][:3] == ["reference", "sample", "spiking"]
    assert all(row["updates_per_sample"] == 0 for row in report["executors"])
    assert all(row["microseconds_per_sample"] > 0 for row in report["executors"])


@pytest.mark.parametrize(
    ("circuit", "options", "message"),
    [
        (training_circuit(1000, 100_000, 10), {}, r"bench of a network of 1000-100000-10 takes some 3.4 h or more"),
        (training_circuit(1_000_000, 10, 10), {}, r"bench of a network of 1000000-10-10 needs some .* GB of memory"),
        (training_circuit(3, 2, 1), {"pre_train": -1}, "pre_train is -1"),
        (training_circuit(3, 2, 1), {"samples": 0}, "samples is 0"),
        (training_circuit(3, 2, 1), {"samples": 2.5}, "samples is 2.5"),
        (training_circuit(3, 2, 1), {"seed": -1}, "seed is -1"),
    ],
)
def test_what_takes_for_ever_is_refused(circuit, options, message, monkeypatch):
    monkeypatch.setenv("LAVA_NBP_MEMORY", "16")
    with pytest.raises(InputError, match=message):
        module.bench(circuit, **options)


def test_the_rows_alone_are_those_of_the_forward_pass(monkeypatch):
    """What is added up is checked against a matrix product; only the time of it is reported."""
    circuit = training_circuit(layers=(30, 20, 15, 4))
    rng = np.random.default_rng(0)
    weights = {m.name: 2 * rng.integers(-127, 128, m.shape) for m in circuit.matrices}
    x = (rng.random((40, 30)) < 0.5).astype(np.uint8)
    weights_16 = np.ascontiguousarray(weights["W1"], dtype=np.int16)
    totals = np.zeros((40, 20), np.int16)
    first = np.concatenate([[0], np.cumsum(x.sum(axis=1, dtype=np.int64))])
    bench_sample._add_rows(weights_16, first, np.nonzero(x)[1], totals)
    assert np.array_equal(totals, x @ weights["W1"])
    answers = np.zeros((40, 20), np.int32)
    bench_sample._add_masked(np.ascontiguousarray(weights_16.T), -x.astype(np.int16), answers)
    assert np.array_equal(answers, x @ weights["W1"])
    t = np.eye(4, dtype=np.uint8)[rng.integers(0, 4, 40)]
    assert bench_sample.beside_rows(circuit, weights, (x, t))["times"] > 0
    dropped = training_circuit(layers=(30, 20, 15, 4), dropout=0.5)  # a draw, and not the chain alone, opens its units
    assert bench_sample.beside_rows(dropped, weights, (x, t)) is None
    seen = []
    monkeypatch.setattr(bench_sample, "_add_rows", lambda w, first, rows, totals: seen.append((w, rows)))
    monkeypatch.setattr(bench_sample, "_add_masked", lambda w, masks, totals: seen.append((w, masks)))
    bench_sample._rows_alone(circuit, weights, x)()
    h1 = (x @ weights["W1"] > 512).astype(int)
    h2 = (h1 @ weights["W2"] > 512).astype(int)
    (w1, r1), (w2, r2), (w3, masks) = seen[-3:]
    assert np.array_equal(w1, weights["W1"])
    assert np.array_equal(w2, weights["W2"])
    assert np.array_equal(w3, weights["W3"].T)
    assert np.array_equal(r1, np.nonzero(x)[1])
    assert np.array_equal(r2, np.nonzero(h1)[1])
    assert np.array_equal(-masks, h2)
    delta = delta_circuit(30, 4)
    assert bench_sample.beside_rows(delta, {"V": np.zeros((30, 4), int)}, (x, t)) is None
