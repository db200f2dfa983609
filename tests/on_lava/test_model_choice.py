"""Which model runs a Process."""

import numpy as np
import pytest

from lava_nbp import TARGETS, InputError, Target, run_config, targets_of, training_circuit
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import TTFSLoss
from lava_nbp.on_lava.model_choice import make_run_config, own_module_first
from lava_nbp.processes import EventPropNetwork, NBPNetwork, nbp_network

from lava.magma.compiler.compiler_graphs import ProcGroupDiGraphs
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.extractor import Extractor


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


def test_who_selects_may_do_as_it_likes_with_the_list():
    class First(Loihi2SimCfg):
        def select(self, process, models):
            models.sort(key=lambda model: model.__name__)
            return models.pop(0)

    for _ in range(2):
        made = own_module_first(First(select_tag="fixed_pt"))
        assert made.exception_proc_model_map[Dense(weights=np.eye(2))].__name__ == "PyDenseModelBitAcc"


def test_unknown_names():
    with pytest.raises(InputError, match="Lava target is 'spiking', but must be one of lava, lava-primitives, lava-st"):
        make_run_config("spiking")
    with pytest.raises(InputError, match="tag of the models is 'fixed', .*did you mean 'fixed_pt'"):
        run_config("lava", tag="fixed")


def searching(monkeypatch, error):
    """Lava's search for a Process of this module, which has no model."""

    class Mine(AbstractProcess):
        pass

    def search(proc):
        assert isinstance(proc, Mine)
        raise error

    monkeypatch.setattr(ProcGroupDiGraphs, "_find_proc_models", search)
    return Mine()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (SystemExit(0), "Mine has no model in its own module .*starts a network or ends the interpreter; put what a"),
        (KeyError("nowhere"), "no model was found for Mine .*'nowhere'.*; put one, decorated with @implements"),
    ],
)
def test_a_search_that_fails_is_one_line(monkeypatch, error, message):
    for _ in range(2):  # and it leaves nothing behind
        with pytest.raises(InputError, match=message):
            chosen("lava", searching(monkeypatch, error))


def test_what_a_configuration_names_comes_first():
    process, config = network(), Loihi2SimCfg(exception_proc_model_map={Dense: str})
    config.exception_proc_model_map[process] = nbp_network.SubNBPNetworkStock
    made = own_module_first(config)
    assert made.exception_proc_model_map[process] is nbp_network.SubNBPNetworkStock
    assert made.exception_proc_model_map[Dense] is str
    assert type(config.exception_proc_model_map) is dict  # as it was given
    assert own_module_first(made) is made


def test_a_tag_that_no_model_has():
    with pytest.raises(InputError, match=r"none of the models of .* \(Extractor\), which are PyLoihiExtractorModel, "):
        chosen("lava", Extractor(shape=(1,)))
