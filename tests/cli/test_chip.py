"""plan, faults and doctor."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from experiments import YINYANG

from lava_nbp import BOARDS, Board, training_circuit
from lava_nbp.nbp.circuit_file import save_circuit

SLAYER = Path(__file__).parents[2] / "run_configs" / "yinyang_slayer.toml"


def test_plan(run, tmp_path):
    code, out, _ = run("plan", "config.toml", "--chip", "loihi1", "--picture", "cores.png")
    assert code == 0
    assert "fits" in out
    assert "estimate, not a measurement" in out
    assert "network.chip_order = true where the circuit has this option, trains the same way" in out
    assert "core map: cores.png" in out
    assert (tmp_path / "cores.png").is_file()
    code, out, _ = run("plan", "config.toml", "--chip", "kapohopoint", "--inference", "--json")
    assert code == 0
    assert json.loads(out)["circuit"] == "nbp-inference"
    code, _, err = run("plan", "config.toml", "--chip", "loihi9")
    assert code == 2
    assert "chip is 'loihi9', but must be one of loihi1" in err


def test_plan_writes_nothing_unasked(run, tmp_path):
    code, out, _ = run("plan", "config.toml")
    assert (code, "core map" in out) == (0, False)
    assert os.listdir(tmp_path) == ["config.toml"]


def test_plan_of_a_circuit_in_a_file(run):
    save_circuit(training_circuit(64, 20, 10), "mine.json")
    found, expected = (json.loads(run("plan", what, "--json")[1]) for what in ("mine.json", "config.toml"))
    assert found == expected
    assert json.loads(run("plan", "mine.json", "--inference", "--json")[1])["circuit"] == "nbp-inference"
    code, _, err = run("plan", "mine.json", "--set", "seed=3")
    assert (code, "--set" in err, err.count("\n")) == (2, True, 1)


def test_an_algorithm_whose_networks_are_no_circuits_cannot_be_planned(run):
    code, _, err = run("plan", SLAYER)
    assert (code, err.count("\n")) == (2, 1)
    assert "is an experiment of slayer, whose networks are no circuits" in err


#: In the chip's arithmetic: 24 steps.
CHIP = YINYANG.replace("[clocked]", '[clocked]\nneuron = "loihi"\ntheta_bits = 12\ndt = 2').replace(
    "end = 60", "end = 48"
)


def test_plan_of_eventprop(run, tmp_path):
    (tmp_path / "chip.toml").write_text(CHIP)
    code, out, _ = run("plan", "chip.toml", "--picture", "cores.png")
    assert code == 0
    for part in ("eventprop 5-20-3", "fits", "estimate, not a measurement", "for such a network an extrapolation"):
        assert part in out
    assert "a sample takes 26 steps" in out
    assert "counted on 60 test samples with the initial weights" in " ".join(out.split())
    assert (tmp_path / "cores.png").is_file()
    run("train", "chip.toml", "--out", "made", "--set", "target=clocked", "--set", "epochs=1")
    for board in BOARDS:
        code, out, err = run("plan", "made", "--chip", board, "--json")
        found = json.loads(out)
        assert (code, err, found["fits"], found["board"]["name"]) == (0, "", True, board)
        assert found["activity"]["source"] == "counted on 60 test samples with the trained weights"
        assert (found["activity"]["steps"], found["activity"]["input"]) == (26, 1.0)
        assert found["cures"] == []


def test_plan_of_eventprop_without_its_data(run, tmp_path, monkeypatch):
    monkeypatch.delenv("LAVA_NBP_DATA", raising=False)
    (tmp_path / "chip.toml").write_text(CHIP.replace('"yinyang"\nsource = "generated"', '"mnist"'))
    code, out, _ = run("plan", "chip.toml")
    assert (code, "fits" in out) == (0, True)
    lines = " ".join(out.split())
    assert "spikes per neuron, assumed, one of every input and neuron" in lines
    assert "note: spikes are assumed, as nothing can be counted: no folder for mnist" in lines


def test_plan_of_eventprop_that_no_chip_has(run, tmp_path):
    (tmp_path / "exact.toml").write_text(YINYANG)
    code, out, err = run("plan", "exact.toml", "--json")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "neurons of layer 1 are 'exact', whose arithmetic no chip has; train with clocked.neuron = 'loihi'" in err


def test_plan_of_an_nbp_run(run):
    run("train", "config.toml", "--out", "made")
    found, expected = (json.loads(run("plan", what, "--json")[1]) for what in ("made", "config.toml"))
    assert found == expected
    code, _, err = run("plan", "made", "--set", "seed=3")
    assert (code, "but made is a run; leave it out" in err, err.count("\n")) == (2, True, 1)


def test_a_board_of_ones_own_is_known_by_name(run):
    with BOARDS.registered(Board("desk", BOARDS["loihi1"].chip, 2, "mine")):
        code, out, _ = run("plan", "config.toml", "--chip", "desk", "--json")
    assert (code, json.loads(out)["board"]["cores"]) == (0, 256)


def test_faults(run):
    run("train", "config.toml", "--out", "made")
    code, out, _ = run("faults", "made", "--kind", "flips", "--rates", "0.1")
    assert code == 0
    assert "flips" in out
    code, _, err = run("faults", "made", "--rates", "a lot")
    assert code == 2
    assert "--rates is 'a lot', but must be numbers" in err


@pytest.mark.parametrize("as_json", [False, True])
def test_doctor(as_json):
    command = [sys.executable, "-m", "lava_nbp", "doctor", *(["--json"] if as_json else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "lava-loihi" in done.stdout
    assert done.stderr == ""
