"""Exported runs in Norse and in lava-dl on Lava: the same decisions, and spikes where the model is the same."""

from dataclasses import replace

import numpy as np
import pytest
from experiments import DIGITS, YINYANG, experiment
from exported import first_steps, lif_in_integers, run_netx, run_norse
from nir_euler import run_euler
from own_circuits import delta_circuit, feedforward_circuit, paper_under_other_names

from lava_nbp import (
    Checkpoint,
    Connection,
    DenseProjection,
    Matrix,
    initial_weights,
    load_run,
    make_executor,
    make_learner,
)
from lava_nbp.data import step_spikes
from lava_nbp.errors import CheckpointError, InputError
from lava_nbp.exchange.netx_file import netx_layers
from lava_nbp.nbp.levels import GATE, RELAY
from lava_nbp.runs.export import export_run
from lava_nbp.runs.train import train

NBP = (
    DIGITS, "seed=4", "epochs=2", "data.validation=0", "data.train=600", "data.test=100", "network.n_hidden=40",
    "network.initial_input_scale=0.5", "network.initial_output_mean=20",
)  # fmt: skip
EVENTPROP = (
    YINYANG, "seed=1", "epochs=10", "data.validation=0", "data.train=1500", "data.test=150", "encoding.end=100",
    "network.hidden=[40]", "network.initial_mean=[2.0, 1.2]", "clocked.dt=0.25", "clocked.largest_weight=[6, 4]",
)  # fmt: skip


#: Delays of sources, learned; recurrence with delays; constants of neurons or of layers; thresholds of layers.
OWN = (
    *EVENTPROP, "epochs=3", "network.initial_delay=[6, 3]", "network.delays_per=source",
    "network.recurrent_deviation=[0.1, 0]", "network.recurrent_delay=[4, 0]", "neuron.tau_m=[20, 15]",
    "neuron.theta=[1, 2]", "neuron.spread=[0.2, 0]", "learning.delay_rate=50", "learning.constant_rate=1",
    "learning.constants_range=[4, 22]",
)  # fmt: skip
#: Delays of synapses, learned in steps.
LATE = (*EVENTPROP, "epochs=3", "network.initial_delay=[6, 3]", "target=clocked", "learning.delay_rate=20")
#: Layers with constants of their own, in steps.
LAYERS = (
    *EVENTPROP, "epochs=4", "target=clocked", "neuron.tau_m=[20, 12]", "neuron.tau_s=[5, 8]", "neuron.theta=[1, 2]",
)  # fmt: skip


#: Of a trial of 100 ms.
STEPS = 400


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Finished runs: of nBP, and of EventProp in steps and in continuous time."""
    folder = tmp_path_factory.mktemp("runs")
    for name, settings in (
        ("nbp", NBP),
        ("clocked", (*EVENTPROP, "target=clocked")),
        ("continuous", EVENTPROP),
        ("voltage", (*EVENTPROP, "loss.name=max_voltage", "epochs=1")),
        ("own", OWN),
        ("late", LATE),
        ("layers", LAYERS),
        ("recurrent", (*EVENTPROP, "network.recurrent_deviation=[0.1, 0.1]", "epochs=4", "target=clocked")),
    ):
        train(experiment(folder, *settings), folder / name)
    return folder


def answers(folder):
    """Test inputs, and what the run's own engine says to them."""
    run = load_run(folder)
    with run.learner.open(run.state.weights, {}) as session:
        if run.config.algorithm == "nbp":
            return run.learner.dataset.test.x, session._executor.infer(run.learner.dataset.test.x).spikes
        return run.learner.dataset.test.times(), session.answers("test")


def test_nbp_in_norse_has_the_same_spikes(runs):
    path, network = export_run(runs / "nbp", "nir")
    x, expected = answers(runs / "nbp")
    assert path == runs / "nbp" / "network.nir"
    np.testing.assert_array_equal(run_norse(path, x[None], network.dt)[0], expected)
    # One sample per step, without a reset between: nothing outlasts a step.
    np.testing.assert_array_equal(run_norse(path, x[:, None], network.dt)[:, 0], expected)
    assert expected.any(axis=1).mean() > 0.5


def test_nbp_on_lava_has_the_same_spikes(runs, tmp_path):
    path, _ = export_run(runs / "nbp", "netx", tmp_path / "mine.net")
    x, expected = answers(runs / "nbp")
    np.testing.assert_array_equal(run_netx(path, x), expected)


def test_clocked_eventprop_in_norse(runs):
    path, network = export_run(runs / "clocked", "nir")
    times, result = answers(runs / "clocked")
    x = step_spikes(times, network.dt, STEPS)
    first = first_steps(run_norse(path, x, network.dt))
    np.testing.assert_array_equal(first, first_steps(network.run(x)[-1]))
    # Without the rounding of 24-bit states a spike moves by a step now and then. A hidden spike acts in the next
    # step here and in the same in Norse, and a spike is at the end of its step.
    same = first + 1 == np.where(np.isfinite(result.said), result.said / network.dt - 1, STEPS + 1)
    assert same.mean() > 0.97
    decided = ~result.ties() & (np.sort(first, axis=1)[:, 0] < np.sort(first, axis=1)[:, 1])
    np.testing.assert_array_equal(first.argmin(axis=1)[decided], result.answers()[decided])
    assert decided.mean() > 0.8


def test_clocked_eventprop_on_lava(runs):
    """With 12-bit coefficients (the default) the chip's decays are the network's own."""
    path, network = export_run(runs / "clocked", "netx")
    times, result = answers(runs / "clocked")
    x = step_spikes(times, network.dt, STEPS).astype(int)
    decays = round((1 - network.beta) * 4096), round((1 - network.alpha) * 4096)
    few = 4  # samples on Lava, one after the other, each with a reset of its own
    stream = x[:, :few].transpose(1, 0, 2).reshape(-1, x.shape[2])
    found = run_netx(path, stream, reset_interval=STEPS).reshape(few, STEPS, -1)
    layers = netx_layers(network)
    mine = np.array([lif_in_integers(layers, x[:, k], decays) for k in range(x.shape[1])])
    np.testing.assert_array_equal(found, mine[:few])
    first = first_steps(mine.transpose(1, 0, 2))
    decided = ~result.ties() & (np.sort(first, axis=1)[:, 0] < np.sort(first, axis=1)[:, 1])
    assert (first.argmin(axis=1) == result.answers())[decided].mean() > 0.98
    assert decided.mean() > 0.8


def test_recurrent_eventprop_in_norse_and_on_lava(runs, tmp_path):
    """In Norse the network that was learned, but for rounding; on Lava with both matrices of a layer in one unit."""
    path, network = export_run(runs / "recurrent", "nir")
    assert [w is not None for w in network.recurrent] == [True, True]
    times, result = answers(runs / "recurrent")
    x = step_spikes(times, network.dt, STEPS)
    first = first_steps(run_norse(path, x, network.dt))
    np.testing.assert_array_equal(first, first_steps(network.run(x)[-1]))
    same = first + 1 == np.where(np.isfinite(result.said), result.said / network.dt - 1, STEPS + 1)
    assert same.mean() > 0.95
    path, _ = export_run(runs / "recurrent", "netx", tmp_path / "a.net")
    decays = round((1 - network.beta) * 4096), round((1 - network.alpha) * 4096)
    layers = netx_layers(network)
    found = run_netx(path, x[:, 0].astype(int), reset_interval=STEPS)
    np.testing.assert_array_equal(found, lif_in_integers(layers, x[:, 0], decays))
    mine = first_steps(
        np.array([lif_in_integers(layers, x[:, k], decays) for k in range(x.shape[1])]).transpose(1, 0, 2)
    )
    decided = ~result.ties() & (np.sort(mine, axis=1)[:, 0] < np.sort(mine, axis=1)[:, 1])
    assert (mine.argmin(axis=1) == result.answers())[decided].mean() > 0.95
    assert decided.mean() > 0.8


def test_continuous_eventprop_in_norse_comes_nearer_with_smaller_steps(runs, tmp_path):
    times, result = answers(runs / "continuous")
    errors = []
    for dt in (0.5, 0.125):
        path, _ = export_run(runs / "continuous", "nir", tmp_path / f"{dt}.nir", dt)
        steps = round(100 / dt)
        first = first_steps(run_norse(path, step_spikes(times, dt, steps), dt))
        both = np.isfinite(result.said) & (first < steps)
        errors.append(np.median(np.abs((first + 1) * dt - result.said)[both]))
        if dt < 0.5:
            margin = np.diff(np.sort(np.where(np.isfinite(result.said), result.said, 1e3), axis=1)[:, :2], axis=1)[:, 0]
            clear = margin > 4 * dt
            np.testing.assert_array_equal(first.argmin(axis=1)[clear], result.answers()[clear])
            assert clear.mean() > 0.6
    assert errors[1] < errors[0] / 2


def test_delays_and_constants_by_small_steps(runs, tmp_path):
    """The exported graph, by forward Euler, comes nearer to the run's own exact events with smaller steps."""
    times, result = answers(runs / "own")
    errors = []
    for dt in (0.5, 0.125):
        path, network = export_run(runs / "own", "nir", tmp_path / f"{dt}.nir", dt)
        steps = round(100 / dt)
        x = step_spikes(times, dt, steps)
        first = first_steps(run_euler(path, x, dt)["n2"])
        both = np.isfinite(result.said) & (first < steps)
        errors.append(np.median(np.abs((first + 1) * dt - result.said)[both]))
        assert both.mean() > 0.8
    assert errors[1] < errors[0] / 2
    margin = np.diff(np.sort(np.where(np.isfinite(result.said), result.said, 1e3), axis=1)[:, :2], axis=1)[:, 0]
    clear = margin > 8 * dt
    np.testing.assert_array_equal(first.argmin(axis=1)[clear], result.answers()[clear])
    assert clear.mean() > 0.4
    assert [late.shape for late in network.delays] == [(5,), (40,)]
    assert network.theta == (1.0, 2.0)
    assert len(np.unique(network.neurons(1).alpha)) > 10
    with pytest.raises(InputError, match="layer 1: its neurons have time constants of their own, but Lava's LIF"):
        export_run(runs / "own", "netx", tmp_path / "own.net")


def test_a_network_with_delays_and_constants_is_trained_on(runs, tmp_path):
    """Delays in all bits, and the rest to what float32 holds; also where a constant was learned to its limit."""
    path, _ = export_run(runs / "own", "nir", tmp_path / "own.nir")
    config = experiment(tmp_path, *OWN, f'network.weights="{path}"')
    begun, trained = make_learner(config).initial_weights(), load_run(runs / "own").state.weights
    assert begun.keys() == trained.keys()
    for name, w in trained.items():
        if name[0] in "DE":
            np.testing.assert_array_equal(begun[name], w)
        np.testing.assert_allclose(begun[name], w, rtol=1e-6, err_msg=name)
        assert begun[name].shape == w.shape
    assert max(trained["tau_m1"].max(), trained["tau_m2"].max()) == pytest.approx(22, rel=1e-12)
    assert train(config, tmp_path / "on")["epochs"] == 3
    plain = experiment(tmp_path, *EVENTPROP, f'network.weights="{path}"')
    with pytest.raises(InputError, match=r"n1: tau_mem is .* but neuron.tau_m of this experiment is 20 ms"):
        make_learner(plain).initial_weights()


def test_delays_of_synapses_in_steps(runs, tmp_path):
    """As a NIR graph with a line per source and delay, and in netx: on Lava the answers that were learned."""
    times, result = answers(runs / "late")
    learned = load_run(runs / "late").state.weights
    path, network = export_run(runs / "late", "nir", tmp_path / "late.nir")
    x = step_spikes(times, network.dt, STEPS)
    first = first_steps(run_euler(path, x, network.dt)["n2"])
    np.testing.assert_array_equal(first, first_steps(network.run(x)[-1]))
    same = first + 1 == np.where(np.isfinite(result.said), result.said / network.dt - 1, STEPS + 1)
    assert same.mean() > 0.95
    netx, _ = export_run(runs / "late", "netx", tmp_path / "late.net")
    for file in (path, netx):
        config = experiment(tmp_path, *LATE, f'network.weights="{file}"')
        begun = make_learner(config).initial_weights()
        with make_learner(config).open(begun, {}) as session:
            masters = session.read_weights()
        for name in ("D1", "D2"):
            steps = np.floor(learned[name] / 2**20 + 0.5).astype(int)
            assert (learned[name] % 2**20 != 0).any()  # in full precision they are between two steps
            np.testing.assert_array_equal(begun[name], steps * network.dt)
            np.testing.assert_array_equal(masters[name], steps * 2**20)
    few = 3
    layers, decays = netx_layers(network), (round((1 - network.beta) * 4096), round((1 - network.alpha) * 4096))
    stream = x[:, :few].transpose(1, 0, 2).reshape(-1, x.shape[2]).astype(int)
    found = run_netx(netx, stream, reset_interval=STEPS).reshape(few, STEPS, -1)
    mine = np.array([lif_in_integers(layers, x[:, k], decays) for k in range(x.shape[1])])
    np.testing.assert_array_equal(found, mine[:few])
    first = first_steps(mine.transpose(1, 0, 2))
    decided = ~result.ties() & (np.sort(first, axis=1)[:, 0] < np.sort(first, axis=1)[:, 1])
    assert (first.argmin(axis=1) == result.answers())[decided].mean() > 0.95
    assert decided.mean() > 0.6


def test_constants_of_layers_in_steps(runs, tmp_path):
    """The file has each layer's own decays, rounded as they were in learning, and says what was learned."""
    import h5py
    import nir

    decays = [[round(4096 * np.exp(-0.25 / tau)) for tau in taus] for taus in ((20, 5), (12, 8))]  # of V, of I
    assert decays == [[4045, 3896], [4012, 3970]]
    path, network = export_run(runs / "layers", "nir")
    graph = nir.read(path)
    for k, own in enumerate(decays, 1):
        node = graph.nodes[f"n{k}"]
        for tau, decay in zip((node.tau_mem, node.tau_syn), own, strict=True):
            np.testing.assert_allclose(1 - 0.25e-3 / tau, decay / 4096, rtol=1e-7)
    times, result = answers(runs / "layers")
    x = step_spikes(times, network.dt, STEPS)
    first = first_steps(run_euler(path, x, network.dt)["n2"])
    np.testing.assert_array_equal(first, first_steps(network.run(x)[-1]))
    same = first + 1 == np.where(np.isfinite(result.said), result.said / network.dt - 1, STEPS + 1)
    assert same.mean() > 0.95

    netx, _ = export_run(runs / "layers", "netx")
    with h5py.File(netx) as file:
        held = [[int(file[f"layer/{k}/neuron/{key}"][()]) for key in ("vDecay", "iDecay")] for k in (1, 2)]
    assert held == [[4096 - decay for decay in own] for own in decays]
    few, layers = 3, netx_layers(network)
    stream = x[:, :few].transpose(1, 0, 2).reshape(-1, x.shape[2]).astype(int)
    found = run_netx(netx, stream, reset_interval=STEPS).reshape(few, STEPS, -1)
    each = [(layer.i_decay, layer.v_decay) for layer in layers]
    mine = np.array([lif_in_integers(layers, x[:, k], each) for k in range(x.shape[1])])
    np.testing.assert_array_equal(found, mine[:few])
    first = first_steps(mine.transpose(1, 0, 2))
    decided = ~result.ties() & (np.sort(first, axis=1)[:, 0] < np.sort(first, axis=1)[:, 1])
    assert (first.argmin(axis=1) == result.answers())[decided].mean() > 0.95
    assert decided.mean() > 0.6

    learned = load_run(runs / "layers").state.weights
    for file, rounded in ((path, 1e-6), (netx, 0.03)):
        for target in ("clocked", "continuous"):
            config = experiment(tmp_path, *LAYERS, f"target={target}", f'network.weights="{file}"')
            begun = make_learner(config).initial_weights()
            for name in ("W1", "W2"):  # in thresholds of the layer, what its 8 bits hold
                assert np.abs(begun[name] - learned[name] / 2**20).max() < rounded + 2 * 6 / 254
        other = experiment(tmp_path, *EVENTPROP, f'network.weights="{file}"')
        with pytest.raises(InputError, match="but (neuron.tau_m of this experiment|this experiment's tau_s) is"):
            make_learner(other).initial_weights()


def test_output_that_only_integrates(runs, tmp_path):
    import nir

    path, network = export_run(runs / "voltage", "nir")
    assert isinstance(nir.read(path).nodes["n2"], nir.CubaLI)
    times, result = answers(runs / "voltage")
    x = step_spikes(times, network.dt, STEPS)
    V = run_norse(path, x, network.dt, voltages="n2")
    # In float32 a hidden spike that just reaches theta comes a step earlier or later in a sample or two.
    error = np.abs(V - network.run(x)[-1]).max(axis=(0, 2))
    assert (error < 1e-4).mean() > 0.95
    assert error.max() < 0.1
    largest = V.max(axis=0)
    # A hidden spike more or less, where a voltage just reaches theta, moves an output by its weight.
    assert np.median(np.abs(largest - result.said)) < 0.03
    clear = np.diff(np.sort(result.said, axis=1)[:, -2:], axis=1)[:, 0] > 0.1
    np.testing.assert_array_equal(largest.argmax(axis=1)[clear], result.answers()[clear])
    assert clear.mean() > 0.5
    with pytest.raises(InputError, match="only integrates"):
        export_run(runs / "voltage", "netx", tmp_path / "voltage.net")
    assert not (tmp_path / "voltage.net").exists()


def test_an_exported_network_is_trained_on(runs, tmp_path):
    """The exported network is where the next run begins, weight for weight."""
    for name, settings, form in (("nbp", NBP, "nir"), ("nbp", NBP, "netx"), ("continuous", EVENTPROP, "nir")):
        path, _ = export_run(runs / name, form, tmp_path / f"{name}.{form}"[: -1 if form == "netx" else None])
        config = experiment(tmp_path, *settings, f'network.weights="{path}"')
        begun, trained = make_learner(config).initial_weights(), load_run(runs / name).state.weights
        for key, w in trained.items():
            np.testing.assert_allclose(begun[key], w, rtol=0 if name == "nbp" else 1e-6)
    assert train(config, tmp_path / "on")["epochs"] == 10


# --------------------------------------------------- circuits of one's own


def run_of(folder, circuit):
    """A run with a circuit, whose weights are not learned but drawn."""
    config = experiment(folder, *NBP)
    weights = initial_weights(circuit, np.random.default_rng(0))
    record = {"epoch": 1, "test_accuracy_spikes": 0.5}
    Checkpoint(
        config.model_dump(mode="json", exclude_none=True), circuit.layers, weights, history=[record], circuit=circuit
    ).save(folder)
    return folder


@pytest.mark.parametrize(("form", "suffix"), [("nir", "nir"), ("netx", "net")])
def test_names_and_phases_of_a_circuit_are_not_in_its_file(runs, tmp_path, form, suffix):
    """Layers of a file are named by their order: the paper's circuit under other names gives the same bytes."""
    own = tmp_path / "own"
    train(experiment(tmp_path, *NBP), own, paper_under_other_names(64, 40, 10))
    assert set(load_run(own).weights) == {"my_W1", "my_W2"}
    mine, papers = (export_run(run, form)[0] for run in (own, runs / "nbp"))
    assert mine.name == papers.name == f"network.{suffix}"
    assert mine.read_bytes() == papers.read_bytes()


def test_matrices_are_exported_in_the_order_of_the_layers(tmp_path):
    """Four layers, whose circuit names the matrices the other way round."""
    forward = feedforward_circuit(64, 12, 8, 10)
    circuit = replace(
        forward, matrices=forward.matrices[::-1], projections=forward.projections[::-1], name="the other way round"
    )
    run_of(tmp_path, circuit)
    path, network = export_run(tmp_path, "nir")
    weights = load_run(tmp_path).weights
    assert network.sizes == (64, 12, 8, 10)
    for k, exported in enumerate(network.weights):
        np.testing.assert_array_equal(exported, weights[f"M{k}"])
    x = (np.random.default_rng(1).random((30, 64)) < 0.5).astype(np.uint8)
    with make_executor("spiking", circuit, weights) as executor:
        expected = executor.infer(x).spikes
    assert expected.any()
    np.testing.assert_array_equal(run_norse(path, x[None], network.dt)[0], expected)


def test_a_delta_rule_is_exported_too(tmp_path):
    circuit = delta_circuit(64, 10)
    _, network = export_run(run_of(tmp_path, circuit), "nir")
    np.testing.assert_array_equal(network.weights[0], load_run(tmp_path).weights["V"])


def mixed(circuit):
    """A circuit whose output gets its input one-to-one beside the matrix."""
    relay = Connection(circuit.forward[0], circuit.output, "relay", RELAY)
    return replace(circuit, connections=(*circuit.connections, relay), name="mixed")


def skipping(circuit):
    """A circuit of four layers, whose input fires once more, for a matrix straight to the output."""
    first, *_, last = circuit.forward
    again = (Connection(first, first, "relay", RELAY, 1), Connection("gating3", first, "gate", GATE))
    return replace(
        circuit,
        populations=tuple(replace(p, phases=(2, 4)) if p.name == first else p for p in circuit.populations),
        connections=(*circuit.connections, *again),
        matrices=(*circuit.matrices, Matrix("skip", (circuit.layers[0], circuit.layers[-1]))),
        projections=(*circuit.projections, DenseProjection("skip", first, last, "skip")),
    )


@pytest.mark.parametrize(
    ("circuit", "reason"),
    [
        (mixed(delta_circuit(10, 10)), "input of layer 'say' is not a matrix times the layer before"),
        (
            skipping(feedforward_circuit(64, 12, 8, 10)),
            "input of layer 'layer3' is not a matrix times the layer before",
        ),
    ],
    ids=["relayed input", "no chain"],
)
def test_what_is_no_chain_of_matrices_is_refused(circuit, reason, tmp_path):
    with pytest.raises(InputError, match=reason):
        export_run(run_of(tmp_path, circuit), "nir")
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint.npz", "config.toml"}


@pytest.mark.parametrize(
    ("run", "form", "dt", "message"),
    [
        ("nbp", "onnx", None, "format is 'onnx', but must be one of nir, netx"),
        ("nbp", "nir", 1.0, "dt is for EventProp networks"),
        ("clocked", "nir", 0.5, r"dt is 0.5 ms, but the run learned with steps of 0.25 ms \(clocked.dt\)"),
        ("continuous", "nir", 0.0, "dt is 0.0, but must be positive and finite; it is a step in ms"),
    ],
)
def test_refused(runs, run, form, dt, message, tmp_path):
    with pytest.raises(InputError, match=message):
        export_run(runs / run, form, tmp_path / "out", dt)
    assert not list(tmp_path.iterdir())


def test_a_run_without_an_epoch(tmp_path):
    config = experiment(tmp_path, *NBP)
    learner = make_learner(config)
    Checkpoint(
        config.model_dump(mode="json", exclude_none=True),
        learner.layers,
        learner.initial_weights(),
        circuit=learner.circuit,
    ).save(tmp_path)
    with pytest.raises(CheckpointError, match="no finished epoch yet"):
        export_run(tmp_path, "nir")


@pytest.mark.parametrize(("loss", "who"), [("ttfs", 2), ("max_voltage", 1)])
def test_refractory_periods_are_in_no_format(tmp_path, loss, who):
    """Of an output that only integrates they mean nothing."""
    rest = [0, 3] if loss == "ttfs" else [3, 3]
    few = ("epochs=1", "data.train=40", "data.test=10", "clocked.dt=1", "target=clocked", f"loss.name={loss}")
    train(experiment(tmp_path, *EVENTPROP, *few, f"clocked.refractory={rest}"), tmp_path / "run")
    for form in ("nir", "netx"):
        with pytest.raises(
            InputError, match=rf"neurons of layer {who} have a refractory period of 3 steps \(clocked.ref"
        ):
            export_run(tmp_path / "run", form)
    train(experiment(tmp_path, *EVENTPROP, *few, "clocked.refractory=[0, 3]"), tmp_path / "other")
    if loss == "max_voltage":
        assert export_run(tmp_path / "other", "nir")[0].exists()
