"""Capacities are data, each with a source that the module names; a board of one's own is one more entry."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from experiments import DIGITS
from typer.testing import CliRunner

from lava_nbp.cli.app import app
from lava_nbp.errors import ConfigError, InputError
from lava_nbp.loihi import boards
from lava_nbp.loihi.boards import BOARDS, LOIHI1, LOIHI2, Board, Capacity, Chip, Costs, MemoryFormat
from lava_nbp.loihi.host import BoardAddress, default_address
from lava_nbp.loihi.plan import cures, make_plan
from lava_nbp.nbp.paper import training_circuit
from lava_nbp.training.config import load_config

CONFIG = str(Path(__file__).parents[2] / "run_configs" / "mnist.toml")
#: Few and large cores, words of 32 bits, and half the time and energy.
MINE = Chip(
    name="My chip",
    neurocores=Capacity(10, "made up"),
    neurons=Capacity(5000, "made up"),
    synapse_memory=Capacity(1 << 24, "made up", published=False, note="a guess"),
    input_axons=Capacity(20_000, "made up"),
    output_axons=Capacity(20_000, "made up"),
    neurons_per_chip=Capacity(50_000, "made up"),
    synapses_per_chip=Capacity(10_000_000, "made up"),
    weight_bits=Capacity(16, "made up"),
    delay_max=Capacity(62, "made up"),
    refractory_max=Capacity(63, "made up"),
    spike_payload_bits=Capacity(0, "made up"),
    memory=MemoryFormat(word_bits=32, block_header_bits=0),
    costs=Costs(
        training=replace(Costs().training, milliseconds=0.74, millijoules=0.295),
        inference=replace(Costs().inference, milliseconds=0.085, millijoules=0.00125),
        source="measured by nobody",
    ),
)
BOARD = Board("mychip", MINE, 2, "made up", target="mine")


@pytest.mark.parametrize("chip", [LOIHI1, LOIHI2], ids=lambda c: c.name)
def test_every_capacity_has_a_source(chip):
    for name, capacity in chip.capacities().items():
        assert capacity.value >= 0, name
        for source in capacity.source.split(", "):
            assert f"[{source}]" in boards.__doc__, name
        assert capacity.published or capacity.note, name


def test_boards():
    assert {name: board.cores for name, board in BOARDS.items()} == {
        "loihi1": 128, "loihi2": 120, "oheogulch": 120, "kapohopoint": 960, "nahuku32": 4096,
    }  # fmt: skip
    assert LOIHI1.neurocores.value * LOIHI1.neurons.value == LOIHI1.neurons_per_chip.value


def test_a_board_of_ones_own_is_planned():
    circuit = training_circuit(400, 400, 10)
    with BOARDS.registered(BOARD):
        plan = make_plan(circuit, "mychip", "packed")
        assert plan.fits
        assert plan.n_cores < make_plan(circuit, "loihi1", "packed").n_cores
        found = plan.as_dict()
        assert found["board"] == {"name": "mychip", "chip": "My chip", "chips": 2, "cores": 20}
        assert found["capacities"]["neurons"]["value"] == 5000
        assert default_address("mine") == BoardAddress("mychip", generation="")
    with pytest.raises(InputError, match="chip is 'mychip', but must be one of loihi1, loihi2"):
        make_plan(circuit, "mychip")
    with pytest.raises(InputError, match="target 'mine' means no board"):
        default_address("mine")


def test_its_memory_and_its_costs_are_its_own():
    with BOARDS.registered(replace(BOARD, chip=replace(MINE, neurocores=Capacity(100, "made up")))):
        rows = make_plan(training_circuit(64, 64, 64), "mychip", "packed").connection_rows()
        # 64 lists of 64 synapses of 16 bits, without a header.
        assert {r["connection"]: r["synapse_memory"] for r in rows}["W1"] == 64 * 64 * 16
        paper = make_plan(training_circuit(400, 400, 10), "mychip", "paper")
        assert paper.estimate.milliseconds == pytest.approx(0.74)
        assert paper.estimate.millijoules == pytest.approx(0.295)


def test_cures_name_it():
    with BOARDS.registered(replace(BOARD, chip=replace(MINE, neurocores=Capacity(200, "made up")))):
        plan = make_plan(training_circuit(3000, 2500, 10), "loihi1")
        assert any(cure.startswith("--chip mychip: ") for cure in cures(plan))


def test_the_command_line_plans_on_it():
    runner, plan = CliRunner(), ["plan", CONFIG, "--chip", "mychip"]
    with BOARDS.registered(BOARD):
        done = runner.invoke(app, [*plan, "--json"], catch_exceptions=False)
        assert json.loads(done.stdout)["board"]["name"] == "mychip"
        shown = runner.invoke(app, [*plan, "--placement", "packed"], catch_exceptions=False)
        assert "measured by nobody" in " ".join(shown.stdout.split())
        assert "assumed, not published: synapse memory" in shown.stdout


def test_what_is_no_board():
    with pytest.raises(InputError, match="board 'mine': chip is 'Loihi 1', but must be a Chip"):
        Board("mine", "Loihi 1", 1, "made up")
    with pytest.raises(InputError, match="board 'mine': chips is 0, but must be an integer of 1 or more"):
        Board("mine", MINE, 0, "made up")


@pytest.mark.parametrize(
    ("target", "board", "other"), [("loihi1", "oheogulch", "Loihi 2"), ("loihi2", "nahuku32", "Loihi 1")]
)
def test_a_target_and_a_board_of_another_chip(tmp_path, target, board, other):
    (tmp_path / "config.toml").write_text(DIGITS)
    settings = [f"target={target}", "network.chip_order=true", f"loihi.board={board}"]
    with pytest.raises(
        ConfigError, match=f"target '{target}' is for .*, but loihi.board = '{board}' has {other}; change"
    ):
        load_config(tmp_path / "config.toml", settings)
    assert load_config(tmp_path / "config.toml", [*settings, "target=sample"]).loihi.board == board
