"""lava_nbp.run_config: names, files, typos, and that it chooses models for anybody's network."""

from pathlib import Path

import numpy as np
import pytest

import lava_nbp
from lava_nbp import ConfigError, InputError, make_circuit, make_executor, trace, training_circuit
from lava_nbp.processes import SynfireChain

from lava.magma.core.run_conditions import RunSteps
from lava.proc.dense.process import Dense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.lif.process import LIF

DIGITS = Path(__file__).parents[2] / "run_configs" / "digits.toml"


def test_a_network_of_stock_processes_beside_the_librarys(way):
    chain, dense = SynfireChain(2, autostart=True), Dense(weights=np.array([[100, 0]]))
    lif, sink = LIF(shape=(1,), vth=10, du=4095, dv=4095), Sink(shape=(1,), buffer=5)
    chain.s_out.connect(dense.s_in)
    dense.a_out.connect(lif.a_in)
    lif.s_out.connect(sink.a_in)
    chain.run(condition=RunSteps(5), run_cfg=lava_nbp.run_config("lava"))
    found = sink.data.get().ravel().tolist()
    chain.stop()
    assert found == [0, 1, 0, 1, 0]


def test_run_from_a_stock_process_uses_lavas_own_runtime():
    lif = LIF(shape=(1,), bias_mant=2, vth=100, du=0, dv=0)
    lif.run(condition=RunSteps(3), run_cfg=lava_nbp.run_config("lava"))
    assert lif.v.get().tolist() == [6]
    lif.stop()


def test_an_experiments_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(DIGITS.read_text().replace('target = "sample"', 'target = "lava-primitives"'))
    assert lava_nbp.run_config(path).target == "lava-primitives"
    assert lava_nbp.run_config(str(path), tag="floating_pt").select_tag == "floating_pt"
    mine = DIGITS.read_text().replace('target = "sample"', 'target = "lava"')
    for line, found in (("", None), ("in_process = true\n", True), ("in_process = false\n", False)):
        path.write_text(mine.replace("[lava]\n", f"[lava]\n{line}"))
        assert lava_nbp.run_config(path).in_process is found
        assert lava_nbp.run_config(path, in_process=True).in_process is True  # who asks comes first
    with pytest.raises(InputError, match="digits.toml runs on the target 'sample', which is not one of Lava's"):
        lava_nbp.run_config(DIGITS)
    with pytest.raises(ConfigError, match="cannot be read"):
        lava_nbp.run_config("no/such.toml")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lava-primitive", r"Lava target is 'lava-primitive'.*\(did you mean 'lava-primitives'\?\)"),
        ("Lava", r"must be one of lava, lava-primitives, lava-stock \(did you mean 'lava'\?\)"),
        ("loihi3", "Lava target is 'loihi3', but must be one of lava, lava-primitives, lava-stock"),
        ("spiking", "target 'spiking' does not run on Lava; use one of lava, lava-primitives"),
    ],
)
def test_typos(name, message):
    with pytest.raises(InputError, match=message):
        lava_nbp.run_config(name)


def test_an_experiment_on_a_chip_may_say_how_it_would_run_on_lava(tmp_path, monkeypatch):
    path = tmp_path / "chip.toml"
    path.write_text(DIGITS.with_name("digits_loihi2.toml").read_text() + "\n[lava]\nin_process = true\n")
    monkeypatch.setattr("lava_nbp.executors.chip.make_chip_run_config", lambda *asked: asked)
    assert lava_nbp.run_config(path)[0] == "loihi2"


@pytest.mark.parametrize("in_process", [True, False])
def test_a_chip_has_no_way_to_choose(in_process):
    with pytest.raises(InputError, match=f"in_process is {in_process}, but target 'loihi2' is a chip, which runs the"):
        lava_nbp.run_config("loihi2", in_process=in_process)


def test_typos_elsewhere():
    with pytest.raises(InputError, match=r"tag of the models is 'fixed'.*\(did you mean 'fixed_pt'\?\)"):
        lava_nbp.run_config("lava", tag="fixed")
    weights = {"W1": np.zeros((2, 2), int), "W2": np.zeros((2, 2), int)}
    with pytest.raises(InputError, match=r"\(did you mean 'spiking'\?\)"):
        make_executor("spikin", training_circuit(2, 2, 2), weights)
    with pytest.raises(InputError, match=r"\(did you mean 'sample'\?\)"):
        trace("sampel", training_circuit(2, 2, 2), weights, np.zeros((1, 2), int), [[1, 0]])
    with pytest.raises(InputError, match=r"circuit is 'nbp-guard'.*\(did you mean 'nbp-guarded'\?\)"):
        make_circuit("nbp-guard", (2, 2, 2))
