"""compare, export, report, trace, circuit: what they print, and which files they write."""

import json
import os

import numpy as np
import pytest
from experiments import YINYANG

from lava_nbp import TARGETS, Target, training_circuit
from lava_nbp.nbp.circuit_file import save_circuit


def test_compare_export_report(run, tmp_path):
    assert run("train", "config.toml", "--out", "a", "--tensorboard")[0] == 0
    assert run("train", "config.toml", "--out", "b", "--set", "seed=3")[0] == 0
    assert list((tmp_path / "a" / "tensorboard").iterdir())
    code, out, _ = run("compare", "a", "b", "--json")
    assert code == 0
    rows = json.loads(out)
    result = json.loads((tmp_path / "b" / "result.json").read_text())
    assert rows[1]["accuracy"] == result["chosen"]["test_accuracy_spikes"]
    code, out, _ = run("compare", "a", "b")
    assert (code, f"{100 * rows[1]['accuracy']:.2f} %" in out) == (0, True)
    code, out, _ = run("compare", "a", "--style", "markdown")
    assert (code, "| a " in out) == (0, True)
    assert "error" in run("compare", "a", "none")[2]
    for form, name in (("nir", "network.nir"), ("netx", "network.net")):
        code, out, _ = run("export", "a", "--format", form)
        assert (code, (tmp_path / "a" / name).exists(), name in out) == (0, True, True)
    code, _, err = run("export", "a", "--format", "nir", "--dt", "0.5")
    assert (code, "dt is for EventProp networks" in err, err.count("\n")) == (2, True, 1)
    code, out, _ = run("report", "a", "--out", "page.html")
    assert (code, "page.html" in out, (tmp_path / "page.html").exists()) == (0, True, True)
    assert sorted(os.listdir(tmp_path)) == ["a", "b", "config.toml", "page.html"]


@pytest.fixture
def inputs(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "in.npz", x=rng.integers(0, 2, (3, 6)), labels=[0, 1, 1],
        W1=2 * rng.integers(-127, 128, (6, 5)), W2=2 * rng.integers(-127, 128, (5, 2)),
    )  # fmt: skip
    return "in.npz"


def traced(run, inputs, circuit, target="spiking"):
    code, out, err = run("trace", "--inputs", inputs, "--target", target, "--out", "out.npz", "--circuit", circuit)
    assert code == 0, err
    with np.load("out.npz") as archive:
        return out, {name: archive[name] for name in archive.files}


def test_trace(run, inputs):
    for circuit, steps in (("nbp", 37), ("inference", 13)):
        out, found = traced(run, inputs, circuit)
        assert f"in {steps} steps: out.npz" in out
        assert len(found["spikes/o"]) == steps


def test_trace_of_a_circuit_in_a_file(run, inputs):
    save_circuit(training_circuit(6, 5, 2, guarded=True), "mine.json")
    found, expected = (traced(run, inputs, circuit)[1] for circuit in ("mine.json", "nbp-guarded"))
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_a_target_of_ones_own_is_known_by_name(run, inputs):
    mine = Target("mine", "the compiled one", TARGETS["spiking"].makes)
    with TARGETS.registered(mine):
        assert traced(run, inputs, "nbp", "mine")[0] == traced(run, inputs, "nbp")[0]
    code, _, err = run("trace", "--inputs", inputs, "--target", "mine", "--out", "out.npz")
    assert (code, "target is 'mine', but must be one of reference" in err) == (2, True)


def test_trace_of_a_run(run, tmp_path):
    """Of two targets the same arrays; what belongs to the other form of the command, or is missing, is said."""
    (tmp_path / "yinyang.toml").write_text(YINYANG)
    settings = ("target=clocked", "clocked.neuron=loihi", "clocked.theta_bits=[12, 13]", "clocked.dt=2", "epochs=1",
                "encoding.end=48", "data.train=20", "data.test=6", "data.validation=4")  # fmt: skip
    assert run("train", "yinyang.toml", "--out", "a", *(part for key in settings for part in ("--set", key)))[0] == 0
    traces = {}
    for target in ("clocked", "lava-stock"):
        code, out, err = run("trace", "--run", "a", "--samples", "0-1,5", "--target", target, "--out", "o.npz")
        assert code == 0, err
        with np.load("o.npz") as archive:
            traces[target] = {name: archive[name] for name in archive.files}
        spikes = sum(int(z.sum()) for name, z in traces[target].items() if name.startswith("spikes/"))
        assert f"{spikes} spikes in 24 steps of 3 samples: o.npz" in out
    assert traces["clocked"].keys() == traces["lava-stock"].keys()
    assert all(np.array_equal(array, traces["lava-stock"][name]) for name, array in traces["clocked"].items())
    os.remove("o.npz")
    for given, message in (
        (("--run", "a", "--samples", "6"), "samples reach 6, but the test set has 0 .. 5"),
        (("--run", "a", "--circuit", "nbp"), "--circuit is 'nbp', but goes with --inputs only; leave it out"),
        (("--inputs", "in.npz", "--samples", "3"), "--samples is '3', but goes with --run only; leave it out"),
        (
            ("--inputs", "in.npz", "--run", "a"),
            "a trace is of --inputs, of a circuit, or of --run, of EventProp; give o",
        ),
        ((), "a trace is of --inputs, of a circuit, or of --run, of EventProp; give one of them"),
        (("--run", "b"), "checkpoint.npz is missing; b is not the folder of a run"),
    ):
        code, _, err = run("trace", *given, "--target", "clocked", "--out", "o.npz")
        assert (code, err.count("\n"), message in err) == (2, 1, True), err
    code, _, err = run("trace", "--run", "a", "--target", "loihi2", "--out", "o.npz")
    assert (code, "is a chip, which sends the output's spikes only; trace with one of clocked" in err) == (2, True)
    assert sorted(os.listdir(tmp_path)) == ["a", "config.toml", "yinyang.toml"]


def test_a_chip_cannot_be_traced(run):
    code, _, err = run("trace", "--inputs", "a.npz", "--target", "loihi2", "--out", "b.npz")
    assert code == 2
    assert "a chip sends the output's spikes only; trace with one of spiking, lava" in err


def test_circuit(run):
    code, out, _ = run("circuit")
    assert code == 0
    assert "3282 neurons, 517203 synapses" in out
    assert "h1 in phase 1: fires if W1 delivers more than 9216" in out
    code, out, _ = run("circuit", "inference", "--network", "4-3-2", "--style", "markdown")
    assert (code, out.splitlines()[0]) == (0, "| phase | chain | fires | inhibited | learns | meaning |")
    assert "No weights can breach" in run("circuit", "--network", "8-8-2")[1]


def test_circuit_of_a_file_has_its_own_layers(run):
    save_circuit(training_circuit(8, 8, 2), "mine.json")
    code, out, _ = run("circuit", "mine.json")
    assert (code, out) == (0, run("circuit", "nbp", "--network", "8-8-2")[1])
    code, _, err = run("circuit", "mine.json", "--network", "8-8-3")
    assert (code, "8-8-3" in err, err.count("\n")) == (2, True, 1)
