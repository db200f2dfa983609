"""plan, faults and doctor."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

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
