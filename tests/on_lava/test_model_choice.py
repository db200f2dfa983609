"""Which model runs a Process."""

import numpy as np
import pytest
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense

from lava_nbp import TARGETS, InputError, Target, run_config, targets_of, training_circuit
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import TTFSLoss
from lava_nbp.on_lava.model_choice import make_run_config
from lava_nbp.processes import EventPropNetwork, NBPNetwork, nbp_network


def network():
    weights = {"W1": np.zeros((4, 3), int), "W2": np.zeros((3, 2), int)}
    return NBPNetwork(circuit=training_circuit(4, 3, 2), weights=weights)


def chosen(target, process):
    return make_run_config(target).exception_proc_model_map[process]


def test_every_target_has_its_model_of_the_network():
    found = {name: chosen(name, network()) for name in targets_of("nbp") if TARGETS[name].on_lava}
    assert found == {
        "lava": nbp_network.PyNBPNetworkFixed,
        "lava-primitives": nbp_network.SubNBPNetworkFixed,
        "lava-stock": nbp_network.SubNBPNetworkStock,
    }
    with TARGETS.registered(Target("mine", "as stock networks are", on_lava=True, built_from="stock")):
        assert chosen("mine", network()) is nbp_network.SubNBPNetworkStock


def test_a_process_that_a_target_cannot_build():
    eventprop = EventPropNetwork([np.ones((2, 2))], Setup(FixedPoint(NeuronParameters(), 1.0, 3.0), TTFSLoss()))
    with pytest.raises(InputError, match="no model for the target 'lava-stock'; use one of lava, lava-primitives$"):
        chosen("lava-stock", eventprop)


def test_stock_processes_get_what_lava_gives_them():
    dense, config = Dense(weights=np.eye(2)), make_run_config("lava")
    models = config.exception_proc_model_map._models(dense)
    assert config.select(dense, models) is Loihi2SimCfg(select_tag="fixed_pt").select(dense, models)


def test_unknown_names():
    with pytest.raises(InputError, match="Lava target is 'spiking', but must be one of lava, lava-primitives, lava-st"):
        make_run_config("spiking")
    with pytest.raises(InputError, match="tag of the models is 'fixed', .*did you mean 'fixed_pt'"):
        run_config("lava", tag="fixed")
