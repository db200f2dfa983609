import json
import sys
import warnings

import numpy as np
import pytest
from experiments import DIGITS, YINYANG, trained

from lava_nbp.nbp.form import sample_form
from lava_nbp.nbp.reference import SampleRun
from lava_nbp.training.complexity import CountedSynapses, complexity
from lava_nbp.training.run import RESULT


def test_by_hand():
    """Two inputs, three hidden neurons, one output; two samples of five steps."""
    first = CountedSynapses(np.array([[1, 0, -3], [2, 2, 2]]), np.array([3, 1]))
    second = CountedSynapses(np.array([[1], [0], [1]]), np.array([2, 1, 1]))
    found = complexity([first, second], [np.array([2, 1, 1]), np.array([2])], samples=2, steps=5, weight_bytes=1)
    assert found == {
        "parameters": 9,
        "weight_bits": 8,
        "footprint_bytes": 9,
        "connection_sparsity": 2 / 9,
        "activation_sparsity": 1 - 6 / (4 * 5 * 2),
        "steps": 5,
        "spikes": 3.0,
        "effective_acs": (3 * 2 + 1 * 3 + 2 * 1 + 0 + 1) / 2,
        "effective_macs": 0.0,
        "dense_operations": 45.0,
    }


NBP = ("seed=0", "epochs=1", "data.validation=0")
FEW = ("epochs=1", "data.train=100", "data.test=30", "network.hidden=[12]", "clocked.dt=0.5")


def finished(tmp_path, text, *settings):
    run = trained(tmp_path, text, *settings)
    result = json.loads((run.folder / RESULT).read_text())
    return result["inference"], run.state.weights, run.learner


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="NeuroBench needs a package that has to be compiled there")
def test_nbp_agrees_with_neurobench(tmp_path):
    """The published package, installed below Python 3.12, measures the same network, made anew in PyTorch."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its dependencies'
        from neurobench.benchmarks import Benchmark
        from neurobench.metrics.static import ConnectionSparsity, Footprint, ParameterCount
        from neurobench.metrics.workload import ActivationSparsity, SynapticOperations
        from neurobench.models import TorchModel

        import lava_nbp.on_lava.runtime  # noqa: F401 - Lava cannot be imported after torch's DataLoader has run

        ours, weights, learner = finished(tmp_path, DIGITS, *NBP)

        class Fires(torch.nn.Module):
            def forward(self, a):
                return (a > 512).float()

        def linear(w):
            layer = torch.nn.Linear(*w.shape, bias=False)
            layer.weight.data = torch.from_numpy(w.T.astype(np.float32))
            return layer

        model = TorchModel(torch.nn.Sequential(linear(weights["W1"]), Fires(), linear(weights["W2"]), Fires()))
        model.add_activation_module(Fires)
        x, y = learner.dataset.test.x.astype(np.float32), learner.dataset.test.y
        batches = torch.utils.data.DataLoader(list(zip(x, y, strict=True)), batch_size=len(x))
        metrics = [[ParameterCount, Footprint, ConnectionSparsity], [ActivationSparsity, SynapticOperations]]
        found = Benchmark(model, batches, [], [], metrics).run(quiet=True)
    assert found["ParameterCount"] == ours["parameters"]
    assert found["Footprint"] == 4 * ours["footprint_bytes"]  # float32 there, 8 bits here
    assert found["ConnectionSparsity"] == pytest.approx(ours["connection_sparsity"], abs=1e-4)  # rounded there
    assert found["ActivationSparsity"] == pytest.approx(ours["activation_sparsity"], rel=1e-12)
    operations = found["SynapticOperations"]
    assert operations["Effective_ACs"] == pytest.approx(ours["effective_acs"], rel=1e-12)
    assert operations["Effective_MACs"] == ours["effective_macs"] == 0
    assert operations["Dense"] == ours["dense_operations"]


def test_nbp_counts_the_spikes_of_the_reference(tmp_path):
    ours, weights, learner = finished(tmp_path, DIGITS, *NBP)
    fired, form = 0, sample_form(learner.circuit.answering)
    for x in learner.dataset.test.x:
        found = SampleRun(form, weights, [x])
        fired += sum(int(found.signals[layer].sum()) for layer in form.layers[1:])
    assert ours["spikes"] == fired / len(learner.dataset.test)


@pytest.mark.parametrize(
    "settings",
    [(), ("target=clocked",), ("target=lava",), ("loss.name=max_voltage",), ("network.recurrent_deviation=[0.2, 0]",)],
)
def test_eventprop_counts_spikes(settings, tmp_path):
    ours, weights, learner = finished(tmp_path, YINYANG, *FEW, *settings)
    inference = learner.infer(weights).cost
    assert inference == ours
    recurrent = 144 if "R1" in weights else 0
    assert ours["parameters"] == 5 * 12 + 12 * 3 + recurrent
    assert ours["weight_bits"] == (8 if learner.config.target != "continuous" else 64)
    assert ours["steps"] == 120
    with learner.open(weights, {}) as session:
        result = session.engine.infer(session.trains("test"))
        total = result.hidden_spikes
    if learner.config.loss.name == "max_voltage":
        assert ours["spikes"] * 30 == total
    else:
        assert ours["spikes"] * 30 >= total + np.isfinite(result.said).sum()  # an output may spike again
    # Five input spikes a sample, every synapse of them: zeros are few, and only where weights have 8 bits.
    assert ours["effective_acs"] <= 5 * 12 + ours["spikes"] * (3 + (12 if recurrent else 0))
    assert ours["effective_acs"] > 5 * 12 * (1 - 2 * ours["connection_sparsity"])
