"""EventProp layers in PyTorch models: gradients by torch's own check, and training beside torch's layers."""

import copy
import pickle
import subprocess
import sys
import threading
from importlib.metadata import version

import numpy as np
import pytest

from lava_nbp.errors import DerivativeError, InputError, WeightError
from lava_nbp.eventprop.continuous.engine import EventPropEngine
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import MaxVoltageLoss, TTFSLoss
from lava_nbp.eventprop.policies import SilentPolicy
from lava_nbp.eventprop.trains import spike_trains

END = 60.0


@pytest.fixture(autouse=True, scope="module")
def late_imports():
    """PyTorch is 200 MB: workers that run other tests first stay small, see tests/conftest.py."""
    global torch, EventPropLayer, spike_times
    import torch

    from lava_nbp.eventprop.torch_layer import EventPropLayer, spike_times


def layer(output="first_spikes", sizes=(4, 6, 3), seed=0, **options):
    generator = torch.Generator().manual_seed(seed)
    n = len(sizes) - 1
    return EventPropLayer(
        sizes, END, NeuronParameters(), output, means=[4.0, 3.0][:n], deviations=[0.8, 0.8][:n], generator=generator,
        **options,
    )  # fmt: skip


def inputs(n=3, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).uniform(0, 25, (n, 4))).requires_grad_()


@pytest.mark.parametrize(
    ("output", "options"),
    [("first_spikes", {}), ("max_voltages", {}), ("mean_voltages", {}), ("mean_voltages", {"tau": 20})],
)
@pytest.mark.parametrize("sizes", [(4, 3), (4, 6, 3)])
def test_gradients_by_weights_and_by_input_times(output, options, sizes):
    """Against torch's central differences, for every weight and every input spike."""
    module, times = layer(output, sizes, **options), inputs()
    said = module(times)
    assert said.shape == (3, 3)
    assert torch.isfinite(said).all()

    def run(t, *weights):
        for p, w in zip(module.weights, weights, strict=True):
            p.data = w.data
        return type(said.grad_fn)._forward_cls.apply(module._engine, t, *weights)

    assert torch.autograd.gradcheck(run, (times, *module.weights), eps=1e-6, atol=1e-6, rtol=1e-5)


#: Everything at once: recurrence, delays of both kinds, constants of layers, two spikes of an input.
EVERYTHING = {
    "recurrent": [0.4, 0.0], "delays": [6.0, 3.0], "recurrent_delays": [4.0, 0.0], "learn_constants": True,
    "constants_range": (1.0, 100.0),
}  # fmt: skip


@pytest.mark.parametrize(
    ("output", "options"),
    [
        ("first_spikes", {}), ("spikes", {"spikes": 2}), ("max_voltages", {}), ("mean_voltages", {"tau": 20}),
        ("voltages", {"at": (11.0, 23.0, 40.0)}),
    ],
)  # fmt: skip
def test_gradients_by_everything(output, options):
    """Against torch's central differences: every parameter, and every spike of inputs with several."""
    module = layer(output, **EVERYTHING, **options)
    times = torch.from_numpy(np.random.default_rng(0).uniform(0, 25, (2, 4, 2))).requires_grad_()
    said = module(times)
    assert said.shape == {"spikes": (2, 3, 2), "voltages": (2, 3, 3)}.get(output, (2, 3))
    assert torch.isfinite(said).all()
    assert sum(p.numel() for p in module.parameters()) == 2 * (24 + 18 + 36) + 4

    def run(t, *parameters):
        # The function itself, with the parameters as its arguments: a module would take its own.
        return function(module._engine, t, *parameters)

    node = said.grad_fn
    while not hasattr(type(node), "_forward_cls"):
        node = node.next_functions[0][0]
    function = type(node)._forward_cls.apply
    assert torch.autograd.gradcheck(run, (times, *module.parameters()), eps=1e-6, atol=1e-5, rtol=1e-4)


def test_several_spikes_of_an_input_and_of_an_output():
    """Spikes of an input in any order, with holes, are those of the engine; so are the first ones of an output."""
    module = layer("spikes", spikes=3)
    times = torch.full((2, 4, 3), np.inf, dtype=torch.float64)
    times[0, 0], times[0, 2, 1], times[1, 3, :2] = torch.tensor([9.0, 1.0, 4.0]), 2.0, torch.tensor([3.0, 0.5])
    said = module(times).detach().numpy()
    engine = EventPropEngine([w.detach().numpy() for w in module.weights], NeuronParameters(), TTFSLoss(), END)
    trains = spike_trains([([9.0, 1.0, 4.0, 2.0], [0, 0, 0, 2]), ([3.0, 0.5], [3, 3])], 4, END)
    assert np.array_equal(said[:, :, 0], engine.infer(trains).said)
    assert (np.diff(said, axis=2)[np.isfinite(said[:, :, 1:])] > 0).all()
    assert np.isfinite(said).sum() > 9
    first = torch.full((1, 4), np.inf, dtype=torch.float64)
    first[0, 1] = 3.0
    assert torch.equal(module(first), module(first[:, :, None]))
    assert module(torch.zeros(0, 4, 2)).shape == (0, 3, 3)


def test_all_parameters_learn_and_stay_within_limits():
    """A step far beyond them is cut when the layer runs next; state_dict holds all of it."""
    module = layer("mean_voltages", longest_delay=7.0, **EVERYTHING)
    assert {name.split(".")[0] for name in module.state_dict()} == {
        "weights", "recurrent", "delays", "recurrent_delays", "log_tau_m", "log_tau_s",
    }  # fmt: skip
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3)
    before = [p.detach().clone() for p in module.parameters()]
    module(inputs()).sum().backward()
    optimizer.step()
    assert all((a != b).any() for a, b in zip(before, module.parameters(), strict=True))
    with torch.no_grad():
        module.delays[0][0, 0], module.recurrent_delays[0][0, 0], module.log_tau_m[1][0] = -3.0, 50.0, 99.0
    module(inputs())
    assert module.delays[0][0, 0] == 0.0
    assert module.recurrent_delays[0][0, 0] == 7.0
    assert torch.allclose(module.log_tau_m[1].exp(), torch.tensor(100.0, dtype=torch.float64))
    again = pickle.loads(pickle.dumps(module))
    other = layer("mean_voltages", seed=5, longest_delay=7.0, **EVERYTHING)
    other.load_state_dict(module.state_dict())
    assert torch.equal(again(inputs()), module(inputs()))
    assert torch.equal(other(inputs()), module(inputs()))


def test_constants_of_layers_and_neurons():
    """Given for each neuron they are learned for each, and the layer is the engine with the same."""
    p = [[NeuronParameters(10.0 + k, 4.0) for k in range(6)], NeuronParameters(25.0, 6.0)]
    generator = torch.Generator().manual_seed(0)
    module = EventPropLayer(
        (4, 6, 3), END, p, "max_voltages", means=[4.0, 3.0], deviations=[0.8, 0.8], generator=generator,
        learn_constants=True,
    )  # fmt: skip
    assert [tuple(log.shape) for log in module.log_tau_m] == [(6,), (1,)]
    times = inputs()
    engine = EventPropEngine([w.detach().numpy() for w in module.weights], p, MaxVoltageLoss(), END)
    expected = engine.infer(spike_trains([(row, np.arange(4)) for row in times.detach().numpy()], 4, END)).said
    np.testing.assert_allclose(module(times).detach().numpy(), expected, rtol=1e-12)


def test_silence_is_minded():
    """bump: neurons silent in all passes since the last call; spike_count: as the engine's, beside the loss."""
    module = layer(silent=SilentPolicy("bump", 0.5))
    with torch.no_grad():
        module.weights[0][:, 2] = -1.0
    before = [w.detach().clone() for w in module.weights]
    module.mind_silence()
    assert all(torch.equal(a, b) for a, b in zip(before, module.weights, strict=True))
    module(inputs())
    module(inputs(seed=1))
    module.mind_silence()
    before[0][:, 2] += 0.5
    assert all(torch.equal(a, b) for a, b in zip(before, module.weights, strict=True))
    policy = SilentPolicy("spike_count", 0.1, 0.0, 0.5)
    plain, pulled = layer("max_voltages"), layer("max_voltages", silent=policy)
    for each in (plain, pulled):
        each(inputs()).sum().backward()
    trains = spike_trains([(row, np.arange(4)) for row in inputs().detach().numpy()], 4, END)
    engine = EventPropEngine([w.detach().numpy() for w in plain.weights], NeuronParameters(), MaxVoltageLoss(), END)
    _, counts = engine.infer_counted(trains)
    means = counts[0] / 3
    assert (means > 0.5).any()
    assert torch.equal(plain.weights[1].grad, pulled.weights[1].grad)
    assert not torch.equal(plain.weights[0].grad, pulled.weights[0].grad)
    # Central differences of the loss plus strength (clip - mean) times the sum of all spike times, for one weight.
    spikes = layer("spikes", (4, 6), spikes=8)
    pull = 0.1 * (np.clip(means, 0.0, 0.5) - means)

    def total(w):
        with torch.no_grad():
            spikes.weights[0][...] = torch.from_numpy(w)
            said = spikes(inputs()).numpy()
        return float((np.where(np.isfinite(said), said, 0).sum(axis=(0, 2)) * pull).sum())

    w = plain.weights[0].detach().numpy().copy()
    at = np.unravel_index(int(np.argmax(np.abs((pulled.weights[0].grad - plain.weights[0].grad).numpy()))), w.shape)
    values = []
    for step in (1e-6, -1e-6):
        moved = w.copy()
        moved[at] += step
        values.append(total(moved))
    numeric = (values[0] - values[1]) / 2e-6
    np.testing.assert_allclose((pulled.weights[0].grad - plain.weights[0].grad)[at], numeric, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": "spikes", "spikes": 0}, "spikes is 0"),
        ({"spikes": 2}, "only spikes have it, not first_spikes"),
        ({"at": (3.0,)}, "only voltages have it"), ({"output": "voltages"}, "voltages are read 0 times"),
        ({"output": "voltages", "at": (70.0,)}, "reads voltages at 70 ms, but the trial ends at 60 ms"),
        ({"recurrent": [0.1]}, "recurrent has 1 entries, but there are 2 layers"),
        ({"recurrent": [0.1, -1.0]}, "recurrent is -1.0"), ({"recurrent": 3}, "recurrent are 3"),
        ({"output": "max_voltages", "recurrent": [0.1, 0.1]}, "only integrates and has no spikes"),
        ({"delays": [99.0, 0.0]}, "delays is 99.0, but must be in 0 .. 62"),
        ({"recurrent_delays": [9.0, 0.0]}, "recurrent delays of layer 1 .* has no such synapses"),
        ({"silent": SilentPolicy("phantom"), "output": "max_voltages"}, "with a loss of voltages the output layer"),
        ({"silent": SilentPolicy("phantom"), "recurrent": [0.1, 0.1]}, "'phantom' needs an output layer without recur"),
        ({"learn_constants": 1}, "learn_constants is 1"),
        ({"learn_constants": True, "constants_range": (30.0, 40.0)}, "tau_m is 20 ms, but must be 30 .. 40 ms"),
    ],
)  # fmt: skip
def test_what_else_is_refused(options, message):
    with pytest.raises((InputError, WeightError), match=message):
        layer(**options)


def ttfs(said, labels, tau0=0.5, tau1=6.4, alpha=0.003):
    """`TTFSLoss` in torch, (batch,): 0 where the label's output is silent."""
    own = said.gather(1, labels[:, None])[:, 0]
    there = torch.isfinite(own)
    times = torch.where(there[:, None], said, torch.zeros_like(said))
    own = times.gather(1, labels[:, None])[:, 0]
    losses = torch.nn.functional.cross_entropy(-times / tau0, labels, reduction="none")
    return torch.where(there, losses + alpha * torch.expm1(own / tau1), torch.zeros_like(own))


#: A hidden neuron that is silent, an output that always is, and one that sometimes is.
def half_silent(policy, **options):
    module = layer(silent=policy, **options)
    with torch.no_grad():
        module.weights[0][:, 2] = -1.0
        module.weights[1][:, 1] *= 0.05
        module.weights[1][:, 2] *= 0.22
    return module


@pytest.mark.parametrize("options", [{}, {"delays": [6.0, 3.0], "recurrent": [0.4, 0.0], "learn_constants": True}])
@pytest.mark.parametrize("policy", ["none", "phantom", "bump", "spike_count"])
def test_every_policy_is_the_engines(policy, options):
    """A cross-entropy of first spikes written in torch has the gradients of the engine's loss, the policy included."""
    policy = SilentPolicy(policy, 0.3, 0.0, 0.5)
    module, labels = half_silent(policy, **options), torch.arange(24) % 3
    times = torch.from_numpy(np.random.default_rng(3).uniform(0, 25, (24, 4)))
    said = module(times)
    silent = torch.isinf(said.gather(1, labels[:, None]))[:, 0]
    assert silent[labels == 1].all()
    assert 0 < silent[labels == 2].sum() < 8
    assert not silent[labels == 0].any()
    phantom = module.phantom_loss(times, labels)
    assert torch.equal(phantom < 0, silent if policy.name == "phantom" else torch.zeros(24, dtype=torch.bool))
    (ttfs(said, labels) + phantom).sum().backward()
    parameters = [p.detach().numpy() for p in module.parameters()]
    beside = {"recurrent": [parameters[2], None], "delays": parameters[3:5]} if options else {}
    engine = EventPropEngine(
        parameters[:2], NeuronParameters(), TTFSLoss(), END, silent=policy, optimizer="sgd",
        delay_rate=1.0, constant_rate=1.0 if options else 0.0, **beside,
    )  # fmt: skip
    assert len(engine.matrices) == len(parameters)
    trains = spike_trains([(row, np.arange(4)) for row in times.numpy()], 4, END)
    engine.pull_counts(trains)
    result, gradients = engine.gradient(trains, labels.numpy())
    assert result.silent_labels == silent.sum()
    for p, g in zip(module.parameters(), gradients, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), g, rtol=1e-9, atol=1e-11 * np.abs(g).max())
    module.mind_silence()
    engine.train_batch(trains, labels.numpy(), np.arange(24), 0.0)
    for w, own in zip(module.weights, engine.weights, strict=True):
        np.testing.assert_array_equal(w.detach().numpy(), own)
    assert (module.weights[0][0, 2] > -1.0) == (policy.name == "bump")


def test_the_phantoms_loss_is_what_it_differentiates():
    """Largest voltages where labels are silent, and differences; a mean over the batch weighs it as all else."""
    module, labels = half_silent(SilentPolicy("phantom", 2.0)), torch.tensor([1, 2, 0])
    times = inputs()
    found = module.phantom_loss(times, labels)
    with torch.no_grad():
        peaks = layer("max_voltages")
        for own, w in zip(peaks.weights, module.weights, strict=True):
            own[...] = w
        expected = -2.0 * peaks(times)[torch.arange(3), labels] * torch.isinf(module(times)[torch.arange(3), labels])
    assert torch.equal(found, expected)
    assert found[0] < 0
    assert found[2] == 0

    assert torch.autograd.gradcheck(lambda t: module.phantom_loss(t, labels), (times,), eps=1e-6, atol=1e-6, rtol=1e-5)
    gradients = []
    for reduced in (torch.Tensor.sum, torch.Tensor.mean):
        module.zero_grad()
        reduced(module.phantom_loss(times, labels)).backward()
        gradients.append([w.grad.clone() for w in module.weights])
    for whole, mean in zip(*gradients, strict=True):
        assert torch.allclose(whole, 3 * mean, rtol=1e-12)
        assert whole.any()
    again = pickle.loads(pickle.dumps(module))
    assert torch.equal(again.phantom_loss(times, labels), found)
    assert module.phantom_loss(times[:0], labels[:0]).shape == (0,)
    half = module.phantom_loss(times.detach().float(), labels.int())
    assert half.dtype == torch.float32
    assert torch.allclose(half.double(), found)
    assert not layer().phantom_loss(times, labels).any()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 2], "labels are a list, but must be a torch.Tensor"),
        (np.array([0, 1, 3]), "labels.2. is 3, outside the classes 0 .. 2"),
        (np.array([0, 1]), r"labels have shape \(2,\)"), (np.zeros(3), "labels are torch.float64, but must be int"),
    ],
)  # fmt: skip
def test_labels_that_are_refused(labels, message):
    for policy in ("none", "phantom"):
        given = torch.from_numpy(labels) if isinstance(labels, np.ndarray) else labels
        with pytest.raises(InputError, match=message):
            layer(silent=SilentPolicy(policy)).phantom_loss(inputs(), given)


def test_labels_that_numpy_does_not_know_are_refused():
    whole = torch.tensor([0, 1, 2])
    for given, message in (
        (whole.bfloat16(), "labels are torch.bfloat16, but must be integers; see Tensor.long"),
        (whole.to_sparse(), "labels are a tensor of layout torch.sparse_coo, but must be a dense tensor"),
        (whole.to("meta"), "labels are a tensor without data"),
    ):
        with pytest.raises(InputError, match=message):
            layer().phantom_loss(inputs(), given)


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
    for _ in range(300):  # so long that rounding, which changes the way, does not matter
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


def test_constructor_arguments_that_are_refused():
    good = {"sizes": (4, 3), "end": END, "means": [1.0], "deviations": [0.1]}
    for name, value, message in (
        ("end", np.nan, "end of the trial .* is nan"), ("end", "60", "end of the trial .* is '60'"), ("end", 0, "is 0"),
        ("end", None, "is None"), ("p", (20, 5), "p are .* must be NeuronParameters"), ("sizes", 5, "sizes are 5"),
        ("sizes", (4.0, 3), "size of a layer is 4.0"), ("sizes", None, "sizes are None"),
        ("means", 1.0, "means are 1.0"),
        ("means", [np.nan], "mean of weights is nan"), ("means", ["1"], "mean of weights is '1'"),
        ("deviations", [-1.0], "deviation of weights is -1.0"), ("deviations", [np.inf], "deviation of weights is inf"),
        ("threads", 0, "threads is 0"), ("threads", 1.5, "threads is 1.5"), ("output", ["first_spikes"], "output is"),
        ("generator", np.random.default_rng(0), "must be a Generator"), ("silence", END - 1, "silence .* is 59"),
        ("silence", np.nan, "silence .* is nan"), ("silence", None, "silence .* is None"),
        ("sizes", (10**7, 10**7), "memory"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            EventPropLayer(**{**good, name: value})
    with pytest.raises(InputError, match="only first_spikes may be silent"):
        EventPropLayer(**good, output="max_voltages", silence=END)
    with pytest.raises(InputError, match="tau is 20, but only mean_voltages have it, not max_voltages; leave it out"):
        EventPropLayer(**good, output="max_voltages", tau=20)
    with pytest.raises(InputError, match="tau is 0, but must be in"):
        EventPropLayer(**good, output="mean_voltages", tau=0)
    assert EventPropLayer(np.array([4, 3]), np.float32(END), means=np.ones(1), deviations=np.ones(1)).sizes == [4, 3]


def test_times_that_are_refused():
    module, times = layer(), inputs().detach()
    for given, message in (
        (times.long(), "times are torch.int64, but must be float64 or float32"), (times > 3, "torch.bool"),
        (times.half(), "torch.float16"), (times.bfloat16(), "torch.bfloat16"), (times + 0j, "torch.complex128"),
        (times.to_sparse(), "layout torch.sparse_coo"), (times.to("meta"), "without data"),
        (times.numpy(), "times are a ndarray"), ([[1.0] * 4], "times are a list"),
        (times * np.nan, "input spike at nan"),
        (-times, "input spike at -"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            module(given)
    assert module(times[:0]).shape == (0, 3)
    empty = times[:0].requires_grad_()
    module(empty).sum().backward()
    assert not module.weights[0].grad.any()


def test_weights_that_are_refused():
    times = inputs()
    for k, w, message in (
        (0, torch.zeros(1, 1), r"weights of layer 1 have shape \(1, 1\), but must be \(4, 6\)"),
        (1, torch.zeros(3, 6), r"weights of layer 2 have shape \(3, 6\)"),
        (0, torch.full((4, 6), torch.nan), "weights of layer 1 hold nan, but must be finite"),
        (1, torch.full((6, 3), -torch.inf), "weights of layer 2 hold -inf"),
    ):
        module = layer()
        module.weights[k].data = w.double()
        with pytest.raises(InputError, match=message):
            module(times)
    with pytest.raises(InputError, match="weights of layer 1 are torch.float16"):
        layer().half()(times)
    module = layer()
    module.weights.append(torch.nn.Parameter(torch.zeros(3, 3)))
    with pytest.raises(InputError, match="3 parameters, but the layer has 2: W1, W2"):
        module(times)
    module = layer()
    with pytest.raises(RuntimeError, match="size mismatch"):  # torch's own
        module.load_state_dict({"weights.0": torch.zeros(1, 1), "weights.1": torch.zeros(6, 3)})


@pytest.mark.filterwarnings("ignore:EventPropLayer")  # with the longest tau_m it does not spike
@pytest.mark.parametrize("pooled", [True, False])
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
@pytest.mark.parametrize("name", ["weights", "recurrent", "delays", "recurrent_delays", "log_tau_m", "log_tau_s"])
def test_what_an_optimizer_may_leave_behind(name, bad, pooled):
    """NaN is refused whatever it is in; too large numbers are, too, or cut where there are limits."""
    module = layer("mean_voltages", **EVERYTHING)
    module = module if pooled else pickle.loads(pickle.dumps(module))
    part = getattr(module, name)[0]
    kept = part.detach().clone()
    with torch.no_grad():
        part[-1:] = bad
    if np.isnan(bad) or name in ("weights", "recurrent"):
        with pytest.raises(InputError, match=rf"of layer 1 hold {bad:g}".replace("+", r"\+") + ", but must be finite"):
            module(inputs())
        with torch.no_grad():
            part[...] = kept
    said = module(inputs())
    assert torch.isfinite(said).all()
    said.sum().backward()
    # Between the ways there and back, past torch's own watch.
    said = module(inputs())
    part.data[-1:] = torch.nan
    with pytest.raises(InputError, match="of layer 1 hold nan, but must be finite"):
        said.sum().backward()


def test_second_derivatives_are_refused_not_zero():
    module, times = layer(), inputs()
    said = module(times).sum()
    (by_times,) = torch.autograd.grad(said, times, create_graph=True)
    for loss in (by_times.pow(2).sum(), said + by_times.pow(2).sum()):  # the second has other gradients, too
        with pytest.raises(DerivativeError, match="no second derivatives; leave create_graph at False") as caught:
            loss.backward(retain_graph=True)
        assert isinstance(caught.value, RuntimeError)
    with pytest.raises(DerivativeError):
        torch.autograd.gradgradcheck(module, (times,))
    with pytest.raises(DerivativeError):
        torch.autograd.functional.hessian(lambda t: module(t).sum(), times)
    # The first derivatives of such a graph are right.
    (plain,) = torch.autograd.grad(module(times).sum(), times)
    assert torch.equal(by_times, plain)


def test_what_else_has_no_derivatives_says_so():
    module, times = layer(), inputs()
    with pytest.raises(DerivativeError, match="one derivative at a time"):
        torch.autograd.grad(module(times), times, torch.ones(2, 3, 3).double(), is_grads_batched=True)
    with torch.autograd.forward_ad.dual_level(), pytest.raises(DerivativeError, match="forward mode"):
        module(torch.autograd.forward_ad.make_dual(times, times))
    for transform in (torch.func.vmap(module), torch.func.grad(lambda t: module(t[0]).sum())):
        with pytest.raises(DerivativeError, match="knows nothing of torch.func and vmap"):
            transform(times[None])
    with pytest.raises(InputError, match="a derivative by what EventPropLayer said is nan"):
        (module(times) * torch.nan).sum().backward()


def test_a_cross_entropy_of_a_silent_label_is_finite_if_asked():
    times, labels = inputs(), torch.ones(3, dtype=torch.long)
    losses = {}
    for silence in (torch.inf, END, 2 * END):
        module = layer(silence=silence)
        with torch.no_grad():
            module.weights[1][:, 1] = -1.0
        said = module(times)
        assert (said[:, 1] == silence).all()
        losses[silence] = torch.nn.functional.cross_entropy(-said / 5, labels)
        losses[silence].backward()
        assert (module.weights[1].grad[:, 1] == 0).all()
        assert (module.weights[1].grad[:, 0] != 0).any()
    assert torch.isinf(losses[torch.inf])
    assert losses[END] < losses[2 * END] < 30
    # Or in place, by hand.
    module = layer()
    said = module(times)
    said[said > 10] = END
    said.sum().backward()
    assert torch.isfinite(module.weights[0].grad).all()


def test_weights_of_their_own_for_every_pass():
    """Two passes with other weights before one backward, a layer twice in a graph, weights changed in between."""
    module, times, other = layer(), inputs(), inputs(seed=1).detach()
    module(times).sum().backward()
    alone = [times.grad.clone(), module.weights[0].grad.clone()]
    module(other).sum().backward()
    both = module.weights[0].grad.clone()
    module.zero_grad()
    times.grad = None
    said = module(times)
    (said.sum() + module(other).sum()).backward()
    assert torch.allclose(module.weights[0].grad, both, rtol=1e-12)
    times.grad = None
    said = module(times)
    changed = copy.deepcopy(module)
    with torch.no_grad():
        changed.weights[0] *= 1.5
    changed(times.detach())
    said.sum().backward()
    assert torch.equal(times.grad, alone[0])
    said = module(times)
    with torch.no_grad():
        module.weights[0] += 1.0
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        said.sum().backward()


def test_threads_copies_and_pickles():
    module, times = layer(), torch.rand(40, 4, dtype=torch.float64) * 20
    said = module(times)
    for again in (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), torch.nn.DataParallel(module)):
        assert torch.equal(again(times), said)
    apply, found = type(said.grad_fn)._forward_cls.apply, {}

    def run(scale):
        weights = [scale * w.detach() for w in module.weights]
        found[scale] = [apply(module._engine, times, *weights) for _ in range(10)]

    threads = [threading.Thread(target=run, args=(scale,)) for scale in (1.0, 1.2, 1.4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(one, found[1.0][0]) for one in found[1.0])
    assert torch.equal(found[1.0][0], said)
    assert all(torch.equal(one, found[1.4][0]) for one in found[1.4])


def test_an_engine_that_another_thread_takes_first():
    """Between a look at the free ones and the taking of one."""

    class Taken(list):
        def __len__(self):
            return 1

    module, times = layer(), inputs()
    said, engines = module(times), module._engine
    first, engines._free = engines._free, Taken()
    assert torch.equal(module(times), said)
    assert engines._free[0] is not first[0]


def test_frozen_weights_and_times():
    module, times = layer(), inputs().detach()
    module.weights[0].requires_grad_(False)
    module(times).sum().backward()
    assert module.weights[0].grad is None
    assert module.weights[1].grad is not None
    module.requires_grad_(False)
    assert not module(times).requires_grad


@pytest.mark.skipif(
    sys.version_info >= (3, 12) and version("torch").startswith("2.3."), reason="PyTorch 2.3 compiles nothing there"
)
def test_torch_compile_leaves_it_as_it_is():
    """In an interpreter of its own: Dynamo stays in memory."""
    code = (
        "import torch\n"
        "from lava_nbp.eventprop import EventPropLayer\n"
        "layer = EventPropLayer((4, 3), 60.0, means=[4.0], deviations=[0.8])\n"
        "model = torch.nn.Sequential(torch.nn.Hardtanh(0, 20), layer)\n"
        "times = 20 * torch.rand(5, 4, dtype=torch.float64)\n"
        "said = torch.compile(model, backend='eager')(times)\n"
        "said.sum().backward()\n"
        "print(torch.equal(said, model(times)), layer.weights[0].grad.isfinite().all().item())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["True", "True"]


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


def test_a_layer_that_never_spikes_is_said_once():
    layer = EventPropLayer((3, 4, 2), 20.0, means=(-1.0, 1.0), deviations=(0.0, 0.0))
    times = torch.full((5, 3), 1.0, dtype=torch.float64)
    with pytest.warns(RuntimeWarning, match=r"layer 1 of 2 did not spike once in a batch of 5 samples, .* no gradient"):
        said = layer(times)
    assert torch.isinf(said).all()
    layer(times)  # filterwarnings would make a second one an error
    alive = EventPropLayer((3, 4, 2), 20.0, means=(3.0, 3.0), deviations=(0.0, 0.0))
    alive(times)
    dead = EventPropLayer((3, 2), 20.0, means=(-1.0,), deviations=(0.0,)).eval()
    dead(times)


def test_times_of_other_libraries_spikes():
    """(steps, batch, n) by hand, and what an encoder makes, one by one; nothing at all is inf."""
    spikes = torch.zeros(4, 2, 3)
    spikes[0, 0, 1] = spikes[3, 0, 1] = spikes[2, 1, 2] = 1
    spikes[1, 1, 2] = 7  # a count is one spike
    inf = float("inf")
    expected = [[[inf, inf], [0.0, 1.5], [inf, inf]], [[inf, inf], [inf, inf], [0.5, 1.0]]]
    assert spike_times(spikes, 0.5).tolist() == expected
    assert spike_times(torch.zeros(4, 2, 3)).tolist() == [[[inf]] * 3] * 2
    assert spike_times(torch.zeros(0, 2, 3)).tolist() == [[[inf]] * 3] * 2
    assert spike_times(torch.zeros(4, 0, 3)).shape == (0, 3, 1)
    many = torch.from_numpy(np.random.default_rng(0).random((9, 4, 5)) < 0.4)
    times = spike_times(many, 2.0)
    for b in range(4):
        for n in range(5):
            found = times[b, n][torch.isfinite(times[b, n])].tolist()
            assert found == [2.0 * step for step in range(9) if many[step, b, n]]
    for bad, dt in ((torch.zeros(2, 3), 1.0), (np.zeros((2, 3, 4)), 1.0), (torch.zeros(2, 3, 4), 0.0)):
        with pytest.raises(InputError, match="must be a dense torch.Tensor|dt"):
            spike_times(bad, dt)


def test_a_layer_with_delays_may_be_used_twice_before_the_way_back():
    """And answer without learning in between; only what is beyond its limits is changed in place."""
    module = layer("mean_voltages", **EVERYTHING)
    module(inputs(seed=1)).sum().backward()
    alone = [p.grad.clone() for p in module.parameters()]
    module.zero_grad()
    first, second = module(inputs(seed=1)), module(inputs(seed=2))
    with torch.no_grad():
        module(inputs(seed=3))
    (first + second).sum().backward()
    both = [p.grad.clone() for p in module.parameters()]
    module.zero_grad()
    module(inputs(seed=2)).sum().backward()
    for a, b, p in zip(alone, both, module.parameters(), strict=True):
        assert torch.allclose(b, a + p.grad, rtol=1e-9, atol=1e-15)


def test_only_training_passes_wake():
    """A pass without derivatives, or in which nobody learns, does not tell who is awake."""
    module = layer(silent=SilentPolicy("bump", 0.5))
    silent = torch.full((2, 4), np.inf, dtype=torch.float64)
    before = module.weights[0].detach().clone()
    with pytest.warns(RuntimeWarning, match="did not spike once"):
        module(silent)
    with torch.no_grad():
        module(inputs())
    module.eval()
    module(inputs())
    module.mind_silence()
    assert torch.equal(module.weights[0], before + 0.5)
