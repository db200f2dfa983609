"""EventProp layers in PyTorch models: gradients by torch's own check, and training beside torch's layers."""

import subprocess
import sys

import numpy as np
import pytest

from lava_nbp.errors import InputError
from lava_nbp.eventprop.equations import NeuronParameters

END = 60.0


@pytest.fixture(autouse=True, scope="module")
def late_imports():
    """PyTorch is 200 MB: workers that run other tests first stay small, see tests/conftest.py."""
    global torch, EventPropLayer
    import torch

    from lava_nbp.eventprop.torch_layer import EventPropLayer


def layer(output="first_spikes", sizes=(4, 6, 3), seed=0, **options):
    generator = torch.Generator().manual_seed(seed)
    n = len(sizes) - 1
    return EventPropLayer(
        sizes, END, NeuronParameters(), output, means=[4.0, 3.0][:n], deviations=[0.8, 0.8][:n], generator=generator,
        **options,
    )  # fmt: skip


def inputs(n=3, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).uniform(0, 25, (n, 4))).requires_grad_()


@pytest.mark.parametrize("output", ["first_spikes", "max_voltages"])
@pytest.mark.parametrize("sizes", [(4, 3), (4, 6, 3)])
def test_gradients_by_weights_and_by_input_times(output, sizes):
    """Against torch's central differences, for every weight and every input spike."""
    module, times = layer(output, sizes), inputs()
    said = module(times)
    assert said.shape == (3, 3)
    assert torch.isfinite(said).all()

    def run(t, *weights):
        for p, w in zip(module.weights, weights, strict=True):
            p.data = w.data
        return type(said.grad_fn)._forward_cls.apply(module._engine, t, *weights)

    assert torch.autograd.gradcheck(run, (times, *module.weights), eps=1e-6, atol=1e-6, rtol=1e-5)


def test_missing_spikes_and_silent_outputs_have_no_gradient():
    module, times = layer(), inputs()
    with torch.no_grad():
        times[0, 2] = torch.inf
        module.weights[1][:, 1] = -1.0
    said = module(times)
    assert torch.isinf(said[:, 1]).all()
    (said[:, 0] ** 2).sum().backward()
    assert torch.isfinite(times.grad).all()
    assert times.grad[0, 2] == 0
    assert (module.weights[1].grad[:, 1] == 0).all()
    assert (module.weights[1].grad[:, 0] != 0).any()


def test_it_trains_between_layers_of_torch():
    """A linear layer sets the spike times that EventProp classifies: the loss falls, and both learn."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(2, 4, dtype=torch.float64), torch.nn.Sigmoid())
    spiking = layer("max_voltages")
    x = torch.randn(60, 2, dtype=torch.float64)
    labels = (x[:, 0] > 0).long() + (x[:, 1] > 0).long()
    first = [p.clone() for p in (*model.parameters(), *spiking.parameters())]
    optimiser = torch.optim.Adam([*model.parameters(), *spiking.parameters()], lr=0.05)
    losses = []
    for _ in range(150):
        loss = torch.nn.functional.cross_entropy(spiking(25 * model(x)), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
    for before, after in zip(first, (*model.parameters(), *spiking.parameters()), strict=True):
        assert not torch.equal(before, after)


def test_float32_and_state_dict():
    module, times = layer(), inputs().detach().float().requires_grad_()
    said = module(times)
    assert said.dtype == torch.float32
    said.sum().backward()
    assert times.grad.dtype == torch.float32
    assert module.weights[0].grad.dtype == torch.float64
    other = layer(seed=1)
    other.load_state_dict(module.state_dict())
    assert torch.equal(other(times), said)


def test_arguments_that_are_refused():
    with pytest.raises(InputError, match=r"output is 'first_spike'.*\(did you mean 'first_spikes'\?\)"):
        layer("first_spike")
    with pytest.raises(InputError, match="3 sizes with 1 means and 2 deviations"):
        EventPropLayer((2, 3, 4), END, means=[1.0], deviations=[1.0, 1.0])
    with pytest.raises(InputError, match="size of a layer is 0"):
        EventPropLayer((2, 0), END, means=[1.0], deviations=[1.0])
    module = layer()
    with pytest.raises(InputError, match=r"times have shape \(2, 3\), but must be \(batch, 4\)"):
        module(torch.zeros(2, 3))
    with pytest.raises(InputError, match="input spike at 70.0 ms"):
        module(torch.full((1, 4), 70.0))


def test_without_torch_it_says_how_to_get_it():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import lava_nbp.eventprop as e\n"
        "from lava_nbp import MissingPackageError\n"
        "try: e.EventPropLayer\n"
        "except MissingPackageError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "EventPropLayer needs the package torch, which is not installed" in done.stdout
    assert "pip install 'lava-nbp[dl]'" in done.stdout
