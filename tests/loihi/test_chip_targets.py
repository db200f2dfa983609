"""Targets of chips: refused without lava-loihi, and run, call by call, on a stand-in for it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lava_nbp
from lava_nbp.errors import ConfigError, InputError, MissingLoihiError
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.executors.make import make_executor
from lava_nbp.loihi import host
from lava_nbp.loihi.host import BoardAddress
from lava_nbp.loihi.lowering import lower
from lava_nbp.loihi.rules import chip_rule
from lava_nbp.nbp.paper import training_circuit
from lava_nbp.runs.train import train
from lava_nbp.training.algorithms import make_learner
from lava_nbp.training.config import load_config

CHIP = Path(__file__).parents[1] / "chip"
CONFIGS = Path(__file__).parents[2] / "run_configs"
WEIGHTS = {"W1": np.zeros((4, 3), int), "W2": np.zeros((3, 2), int)}


# ------------------------------------------------------------- without lava-loihi


@pytest.mark.parametrize("target", ["loihi1", "loihi2"])
def test_without_lava_loihi_one_clear_error(target, tmp_path):
    message = (
        rf"target '{target}' needs Intel's lava-loihi, .*lava.proc.embedded_io.*'lava-stock' runs the same network"
    )
    with pytest.raises(MissingLoihiError, match=message):
        make_executor(target, training_circuit(4, 3, 2, chip_order=True), WEIGHTS)
    with pytest.raises(MissingLoihiError, match=message):
        lava_nbp.run_config(target)
    config = load_config(CONFIGS / "digits_loihi2.toml", [f"target={target}"])
    with pytest.raises(MissingLoihiError, match=message):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["digits_loihi2", "mnist_loihi2"])
def test_shipped_configurations(name):
    config = load_config(CONFIGS / f"{name}.toml")
    assert config.target == "loihi2"
    with pytest.raises(MissingLoihiError):
        lava_nbp.run_config(CONFIGS / f"{name}.toml")


def test_eventprop_asks_for_the_board_of_its_configuration(tmp_path, monkeypatch):
    """A run that was trained here; the board's address is that of [loihi], whose chip must be the target's."""
    small = ("epochs=1", "data.train=20", "data.test=4", "data.validation=4", "network.hidden=[4]", "clocked.dt=2")
    asked = []
    monkeypatch.setattr("lava_nbp.executors.eventprop_inference.require_lava_loihi", lambda target: None)
    monkeypatch.setattr("lava_nbp.executors.eventprop_inference.connect", asked.append)
    monkeypatch.delenv("LAVA_NBP_DATA", raising=False)
    config = load_config(
        CONFIGS / "yinyang_eventprop_loihi.toml", [*small, 'loihi.board="nahuku32"', 'loihi.node="n7"']
    )
    learner = make_learner(config, None)
    with learner.on("loihi1").open(learner.initial_weights(), {}) as session:
        assert (asked[0].board, asked[0].node) == ("nahuku32", "n7")
        assert session.engine.exponents == [6, 6]
    with pytest.raises(InputError, match="target 'loihi2' is for Loihi 2, but loihi.board = 'nahuku32' has Loihi 1"):
        learner.on("loihi2").open(learner.initial_weights(), {})


@pytest.mark.parametrize(("module", "name"), [("ncmodels", "NcPlasticLIF"), ("ncprograms", "NcProgrammedNeurons")])
def test_models_for_chips_are_silent(module, name):
    program = f"import lava_nbp.processes.{module} as m; print(hasattr(m, '{name}'))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("False\n", "")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ('loihi.board="ogre"', "board is 'ogre'"),
        ("network.chip_order=false", "network.chip_order is false"),
        ('loihi.partition="a"', "give one of them"),
    ],
)
def test_bad_settings(setting, message):
    with pytest.raises(ConfigError, match=message):
        load_config(CONFIGS / "digits_loihi2.toml", [setting, 'loihi.host="10.0.0.1"'])


# ------------------------------------------------------------------------ boards


@pytest.fixture
def slurm(monkeypatch):
    """The SLURM stand-in on the path, and Lava's use_slurm_host as lava-loihi would have it."""
    monkeypatch.setenv("PATH", f"{CHIP / 'fake_slurm'}:{os.environ['PATH']}")
    for name in ("SLURM", "NOSLURM", "PARTITION", "BOARD", "LOIHI_GEN"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr("lava.utils.loihi.is_installed", lambda: True)


@pytest.mark.parametrize(
    ("address", "chosen"),
    [
        (BoardAddress("oheogulch"), "partition oheogulch_20m"),  # the first is down
        (BoardAddress("nahuku32"), "partition nahuku32"),
        (BoardAddress("x", partition="kp_stack"), "partition kp_stack"),
        (BoardAddress("x", node="ncl-kp-01"), "node ncl-kp-01"),
    ],
)
def test_slurm_gives_a_board_that_is_up(slurm, address, chosen):
    assert host.connect(address) == chosen
    assert os.environ["SLURM"] == "1"
    assert os.environ["LOIHI_GEN"] == "N3B3"
    assert chosen.split()[1] in (os.environ.get("PARTITION"), os.environ.get("BOARD"))


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (BoardAddress("pohoiki"), "no partition for 'pohoiki' that is up; it has kp_stack, nahuku32, oheogulch_20m"),
        (BoardAddress("x", partition="oheogulch"), "loihi.partition is 'oheogulch', but SLURM"),
        (BoardAddress("x", node="ncl-og-01"), "loihi.node is 'ncl-og-01', but SLURM"),
        (BoardAddress("oheogulch", generation="N9"), "loihi.generation is 'N9', but Lava knows N2A2"),
    ],
)
def test_boards_that_are_not_there(slurm, address, message):
    with pytest.raises(MissingLoihiError, match=message):
        host.connect(address)


def test_each_chip_has_its_board_and_generation():
    assert host.default_address("loihi1") == BoardAddress("nahuku32", generation="N2A2")
    assert host.default_address("loihi2") == BoardAddress("oheogulch", generation="N3B3")


def test_without_slurm(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert not host.slurm_available()
    with pytest.raises(MissingLoihiError, match="no SLURM controller answers here"):
        host.connect(BoardAddress("oheogulch"))


# ------------------------------------------------------------------ the stand-in


def run(scenario, tmp_path, *arguments, timeout=100):
    microcode, journal = tmp_path / "lif.dasm", tmp_path / "journal"
    microcode.write_text("; what the neurons compute\n")
    environment = {
        **os.environ,
        "PATH": f"{CHIP / 'fake_slurm'}:{os.environ['PATH']}",
        "LAVA_NBP_MICROCODE": str(microcode),
        "FAKE_LOIHI_JOURNAL": str(journal),
    }
    done = subprocess.run(
        [sys.executable, str(CHIP / "scenarios.py"), scenario, *map(str, arguments)],
        env=environment, capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    assert done.stdout.endswith("went well\n"), done.stderr[-3000:]
    calls = [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []
    return done.stdout, calls


@pytest.mark.timeout(110)
@pytest.mark.parametrize(
    ("target", "crowded"), [("loihi1", "raised sample 0: input 1 has 2 spikes"), ("loihi2", "graded")]
)
def test_eventprop_call_by_call(target, crowded, tmp_path):
    """The clocked engine's answers; registers, exponents and delays are what the lowering says, and no microcode is."""
    out, calls = run("eventprop", tmp_path, target)
    assert crowded in out
    lifs = {c["name"]: c for c in calls if c["call"] == "lif"}
    c = FixedPoint(NeuronParameters(), 1.0, 40.0, neuron="loihi")
    assert {name: found["n"] for name, found in lifs.items()} == {"hidden1": 6, "output": 3}
    for found in lifs.values():
        assert (found["vth"], found["du"], found["dv"]) == (c.vth, c.du, c.dv)
    synapses = {c["name"]: c for c in calls if c["call"] == "synapses"}
    assert {name: found["shape"] for name, found in synapses.items()} == {"W1": [6, 4], "W2": [3, 6], "R1": [6, 6]}
    assert (synapses["W1"]["delay"], synapses["W2"]["delay"]) == (4, 0)
    assert all(found["sign_mode"] == "MIXED" for found in synapses.values())
    assert {c["process"] for c in calls if c["process"].startswith("Nc")} == {
        "NcModelLif", "NcModelDense", "NcModelDelayDense"
    }  # fmt: skip


@pytest.mark.timeout(260)
def test_eventprop_learns_by_programs(tmp_path):
    """Every bit that is learned is the engine's; what is loaded is what the lowering says; what fails says why."""
    folder = tmp_path / "programs"
    folder.mkdir()
    out, calls = run("eventprop_learning", tmp_path, folder, timeout=250)
    raised = [line for line in out.splitlines() if line.startswith("raised")]
    for line, message in zip(
        raised,
        [
            "EventProp's neurons are programs, but LAVA_NBP_PROGRAMS is None: write the listings with write_programs",
            "EventProp's neurons are programs, but .*input.txt is not there: ",
            "EventPropNetwork learns by neuron programs and graded spikes, which Loihi 1 does not have; use .*'loihi2'",
            r"neurons lost spikes of the last sample \(\d of hidden1.*\), which was not learned; make .* larger room",
            ".*late.txt is the program of another network",
        ],
        strict=True,
    ):
        assert re.search(message, line)
    assert re.findall(r"^learned (\d)", out, re.MULTILINE) == ["2", "4"]
    refused = [line for line in out.splitlines() if line.startswith("refused")]
    assert refused == [
        f"refused EventPropNetwork.{name}: the network is loaded on a chip; make a new one, and load that"
        for name in ("write_masters", "reset")
    ]
    # Loaded twice, with room for 6 spikes and for 1; this is what was allocated first.
    programs = [c for c in calls if c["call"] == "neurons_cfg.allocate"]
    names = {"input", "hidden1", "output", "loss", "decay", "late"}
    assert sorted(Path(c["ucode"]).stem for c in programs) == sorted([*names, *names])
    mine = [c for c in calls if c["process"] == "NcMirroredSynapses"]
    synapses = [c for c in mine if c["call"] == "syn.allocate"]
    assert sorted(np.shape(c["weights"]) for c in synapses) == sorted(2 * [(3, 6), (4, 6), (6, 3)])
    assert {c["num_message_bits"] for c in calls if c["call"] == "ax_in_cfg.allocate"} == {24}
    loaded = [c for c in calls if c["call"] == "neurons.allocate"]
    assert sorted(c["shape"][0] for c in loaded if "step0" in c) == sorted(2 * [3, 4, 6])
    assert {max(int(k[4:]) for k in c if k.startswith("step")) for c in loaded if "lI" in c} == {5, 0}
    assert [c["file"] for c in calls if c["call"] == "c"] == 2 * ["embedded_learner.c"]


@pytest.mark.timeout(110)
@pytest.mark.parametrize("target", ["loihi1", "loihi2"])
def test_a_ladder_call_by_call(target, tmp_path):
    """The clocked engine's levels; a group and synapses per rung, which differ in their threshold only."""
    _, calls = run("ladder", tmp_path, target)
    c, names = FixedPoint(NeuronParameters(), 1.0, 40.0, 13, neuron="loihi"), [f"rung{k}" for k in range(1, 6)]
    lifs = [c for c in calls if c["call"] == "lif" and c["name"] in names]
    assert len(lifs) == 10  # of two networks
    for found in lifs:
        assert (found["n"], found["du"], found["dv"]) == (3, c.du, c.dv)
        assert found["vth"] == round(0.6 * (1 + names.index(found["name"])) * c.vth)
    synapses = {c["name"]: c for c in calls if c["call"] == "synapses"}
    assert synapses.keys() == {"W1", *(f"W2_{name}" for name in names), *(f"W1_{name}" for name in names)}
    assert all(synapses[f"W2_{name}"]["shape"] == [3, 6] for name in names)
    assert all(synapses[f"W2_{name}"]["delay"] == 4 for name in names)


@pytest.mark.timeout(110)
def test_the_executor_call_by_call(tmp_path):
    """The same bits as the spiking executor; every register, rule, axon and adapter is what the lowering says."""
    out, calls = run("executor", tmp_path)
    assert "partition oheogulch_20m N3B3" in out
    lowered = lower(training_circuit(9, 7, 4, chip_order=True))
    synapses = {c["name"]: c for c in calls if c["call"] == "synapses"}
    plastic = {c["name"]: c for c in calls if c["process"] == "NcModelLearningDense"}
    assert plastic.keys() == {d.name for d in lowered.dense}
    for d in lowered.dense:
        pre, post = (lowered.by_name[name].size for name in (d.pre, d.post))
        assert (plastic[d.name]["dw"], plastic[d.name]["shape"]) == (chip_rule(lowered.circuit.rule), [post, pre])
        assert plastic[d.name]["sign_mode"] == "MIXED"
    for f in lowered.fixed:
        found = synapses[f.name]
        assert (found["weight_exp"], found["delay"]) == (f.exponent, f.delay)
        assert found["sign_mode"] == ("INHIBITORY" if f.inhibitory else "EXCITATORY")
    # x and the chain of the inference network have the same names; that chain has 4 neurons.
    lifs = {c["name"]: c for c in calls if c["call"] == "lif" and (c["name"], c["n"]) != ("chain", 4)}
    for g in lowered.groups:
        if not g.feeds_learning:
            found = lifs[g.name]
            assert (found["n"], found["vth"], found["du"], found["dv"]) == (g.size, g.vth, g.du, g.dv)
            assert set(found["bias_mant"]) == {g.bias_mant}
            assert set(found["bias_exp"]) == {g.bias_exp}
    own = [c for c in calls if c["process"] == "NcPlasticLIF"]
    configs = [c for c in own if c["call"] == "neurons_cfg.allocate"]
    assert {(c["vth"], c["du"], c["dv"]) for c in configs} == {(1024 * 64, 0, 0)}
    assert {c["ucode"].rsplit("/", 1)[-1] for c in configs} == {"lif.dasm"}
    neurons = [c for c in own if c["call"] == "neurons.allocate"]
    assert {c["bias"] for c in neurons} == {-8192 * 64}
    # The training network was loaded twice, between the inference network's turns: an epoch begins with a new one.
    sizes = sorted(c["shape"][0] for c in neurons)
    assert sizes == sorted(g.size for g in lowered.groups if g.feeds_learning for _ in range(2))
    assert sorted(c["shape"] for c in calls if c["process"] == "PyToNx")[:2] == [[4], [4]]
    assert {tuple(c["shape"]) for c in calls if c["process"] == "NxToPy"} == {(4,)}


@pytest.mark.timeout(110)
def test_the_librarys_neurons_run_from_their_registers(tmp_path):
    out, calls = run("parts", tmp_path)
    assert [line for line in out.splitlines() if line.startswith("same")] == [
        "same lif", "same memory", "same surrogate", "same error",
    ]  # fmt: skip
    exponents = {c["weights_exp"] for c in calls if c["call"] == "syn_cfg.allocate"}
    assert {2, 6} <= exponents
    assert {c["delays"] for c in calls if c["call"] == "syn.allocate"} >= {0, 2, 3, 5}


def test_nothing_runs_on_the_cpu_unasked(tmp_path):
    out, _ = run("refused", tmp_path)
    assert "HebbianDense has no model for target 'loihi2', and would run on the CPU instead; use NBPNetwork" in out
    assert "Sparse has no model for target 'loihi2', and would run on the CPU instead; give it one, or" in out
    assert "raster_out and a_out show what a chip does not send" in out
    assert "target loihi2 runs one circuit step per Lava step, but granularity is 'sample'" in out


def test_a_failure_ends_the_run(tmp_path):
    out, _ = run("fails", tmp_path)
    assert "out of cores" in out
    assert "LAVA_NBP_MICROCODE is 'nowhere.dasm'" in out


@pytest.mark.timeout(110)
def test_train_and_resume(tmp_path):
    """Streamed in chunks, weights read back, resumed from the checkpoint: the weights of the spiking target."""
    run("train", tmp_path, CONFIGS / "digits_loihi2.toml", tmp_path)
    assert json.loads((tmp_path / "chip" / "result.json").read_text())["target"] == "loihi1"
