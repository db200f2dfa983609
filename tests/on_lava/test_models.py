"""Models of every kind that Lava has, in both ways: phases, Vars, RefPorts, domains, virtual ports, parts, learning."""

import threading

import numpy as np
import pytest
from doing_processes import Asynchronous, Doing, Doubling, Held, Kinds, Late, Offered, Reaching, Starting
from scipy.sparse import csr_matrix

import lava_nbp
from lava_nbp import InputError, LavaRuntime, RuntimeFailure
from lava_nbp.processes import SynfireChain

from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.magma.core.sync.domain import SyncDomain
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.dense.process import Dense, LearningDense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.learning_rules.stdp_learning_rule import STDPLoihi
from lava.proc.lif.process import LIF
from lava.proc.monitor.process import Monitor
from lava.proc.sparse.process import Sparse

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def started(in_process):
    """Starts a network in one of the two ways."""

    def start(process, config=None, **options):
        return LavaRuntime(process, config, in_process=in_process, timeout=30, **options)

    return start


# ------------------------------------------------------------------ RefPorts


@pytest.mark.parametrize("explicit", [False, True])
@pytest.mark.parametrize("confirm", [False, True])
def test_a_process_that_reads_and_writes_the_var_of_another(started, in_process, explicit, confirm):
    held, reaching = (Offered if explicit else Held)(), Reaching(confirm)
    if explicit:
        reaching.reach.connect(held.held_port)
    else:
        reaching.reach.connect_var(held.held)
    expected = np.array([10, 20, 30])
    with started(held) as runtime:
        for _ in range(3):
            runtime.run(1)
            expected = expected + 1
            assert reaching.seen.get().tolist() == expected.tolist()
            expected = 2 * expected
            assert held.held.get().tolist() == expected.tolist()
            assert not confirm or reaching.after.get().tolist() == expected.tolist()
        if confirm or in_process:  # in processes of their own, an owner may begin its next step before a write arrives
            runtime.run(2)
            assert held.held.get().tolist() == (2 * (2 * (expected + 1) + 1)).tolist()


def test_two_that_reach_for_one(started):
    """Each reads what is there; what both write is the same."""
    held, several = Held(), [Reaching(confirm=True) for _ in range(2)]
    for one in several:
        one.reach.connect_var(held.held)
    with started(held) as runtime:
        runtime.run(1)
        seen = sorted(one.seen.get().tolist() for one in several)
        assert seen[0] == [11, 21, 31]
        assert seen[1] in ([11, 21, 31], [22, 42, 62])


def test_monitors_of_several_processes(started):
    first, second = LIF(shape=(2,), bias_mant=3, vth=10, du=0, dv=0), LIF(shape=(1,), bias_mant=5, vth=7, du=0, dv=0)
    monitors = [Monitor() for _ in range(3)]
    monitors[0].probe(first.v, 6)
    monitors[1].probe(second.v, 6)
    monitors[2].probe(first.s_out, 6)
    first.s_out.flatten().connect(Sink(shape=(2,), buffer=6).a_in)
    second.s_out.connect(Sink(shape=(1,), buffer=6).a_in)
    with started(first, Loihi2SimCfg(select_tag="floating_pt")) as runtime:
        runtime.run(6)
        (v,) = next(iter(monitors[0].get_data().values())).values()
        (s,) = next(iter(monitors[2].get_data().values())).values()
        assert v.tolist() == [[3, 3], [6, 6], [9, 9], [0, 0], [3, 3], [6, 6]]
        assert s.tolist() == [[0, 0], [0, 0], [0, 0], [1, 1], [0, 0], [0, 0]]


# ------------------------------------------- domains, virtual ports, parts


def domains(*groups):
    return [SyncDomain(f"domain{k}", LoihiProtocol(), list(group)) for k, group in enumerate(groups)]


def test_several_synchronisation_domains(started):
    """Each goes through its steps on its own; what passes between them keeps its order."""
    source, first, second = Source(data=np.arange(1, 7)[None]), Late((1,)), Late((1,))
    sink = Sink(shape=(1,), buffer=6)
    source.s_out.connect(first.x_in)
    first.y_out.connect(second.x_in)
    second.y_out.connect(sink.a_in)
    config = Loihi2SimCfg(select_tag="fixed_pt")
    config.custom_sync_domains = domains([source, first], [second], [sink])
    with started(source, config) as runtime:
        for steps in (1, 2, 3):
            runtime.run(steps)
        assert sink.data.get().tolist() == [[0, 0, 1, 2, 3, 4]]
        assert second.kept.get().tolist() == [5]


def test_virtual_ports(started):
    """Reshaped, flattened and transposed on the way; Lava does not put ports together yet."""
    rng = np.random.default_rng(0)
    data = rng.integers(-50, 50, (2, 3, 5))
    source = Source(data=data)
    sinks = [Sink(shape=shape, buffer=5) for shape in ((6,), (3, 2), (3, 2))]
    source.s_out.flatten().connect(sinks[0].a_in)
    source.s_out.reshape((3, 2)).connect(sinks[1].a_in)
    source.s_out.transpose((1, 0)).connect(sinks[2].a_in)
    with started(source) as runtime:
        runtime.run(5)
        found = [sink.data.get() for sink in sinks]
    assert np.array_equal(found[0], data.reshape(6, 5))
    assert np.array_equal(found[1], data.reshape(3, 2, 5))
    assert np.array_equal(found[2], data.transpose(1, 0, 2))


def test_hierarchical_processes(started):
    data = np.random.default_rng(1).integers(-50, 50, (2, 2, 6))
    source, first, second, sink = Source(data=data), Doubling((2, 2)), Doubling((2, 2)), Sink(shape=(2, 2), buffer=6)
    source.s_out.connect(first.x_in)
    first.y_out.connect(second.x_in)
    second.y_out.connect(sink.a_in)
    with started(source, Loihi2SimCfg(select_tag="fixed_pt")) as runtime:
        runtime.run(6)
        assert runtime.processes == 6
        expected = np.concatenate([np.zeros((2, 2, 2)), 4 * data[..., :-2]], -1)
        assert np.array_equal(sink.data.get(), expected)


# ----------------------------------------------------- learning, sparse, Vars


def learning(rule, weights, steps):
    """Two sources, learning synapses between them, and who listens."""
    rng = np.random.default_rng(5)
    pre, post = (Source(data=(rng.random((n, steps)) < 0.4).astype(int)) for n in (3, 2))
    dense, sink = LearningDense(weights=weights, learning_rule=rule), Sink(shape=(2,), buffer=steps)
    pre.s_out.connect(dense.s_in)
    post.s_out.connect(dense.s_in_bap)
    dense.a_out.connect(sink.a_in)
    return dense, sink


def state_of(rule):
    return {name: str(value) for name, value in sorted(vars(rule).items())}


def test_a_learning_rule_that_two_networks_share():
    """Lava changes the rule of a model in place: the program's own stays as it is, and both ways learn the same."""
    rule = STDPLoihi(learning_rate=1, A_plus=1, A_minus=-1, tau_plus=10, tau_minus=10, t_epoch=4)
    before, found = state_of(rule), []
    weights = np.full((2, 3), 20.0)
    for in_process in (True, False, True):
        dense, sink = learning(rule, weights.copy(), 30)
        with LavaRuntime(dense, timeout=30, in_process=in_process) as runtime:
            for steps in (1, 7, 22):
                runtime.run(steps)
            found.append((dense.weights.get(), sink.data.get(), dense.x1.get(), dense.y1.get(), dense.dw.get()))
        assert state_of(rule) == before
    assert not np.array_equal(found[0][0], weights)
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            assert np.array_equal(one, two)
            assert getattr(one, "dtype", str) == getattr(two, "dtype", str)


def test_two_learning_networks_at_once_that_share_a_rule(started):
    rule = STDPLoihi(learning_rate=1, A_plus=1, A_minus=-1, tau_plus=10, tau_minus=10, t_epoch=4)
    pairs = [learning(rule, np.full((2, 3), 20.0), 20) for _ in range(2)]
    with started(pairs[0][0]) as one, started(pairs[1][0]) as two:
        for _ in range(4):
            one.run(5)
            two.run(5)
        assert np.array_equal(*(dense.weights.get() for dense, _ in pairs))
        assert np.array_equal(*(sink.data.get() for _, sink in pairs))


def test_sparse_weights_are_the_models_own(started):
    weights = csr_matrix(np.array([[0, 3, 0], [1, 0, 2]]))
    given = weights.copy()
    source, sink = Source(data=np.array([[1, 0], [0, 1], [1, 1]])), Sink(shape=(2,), buffer=4)
    sparse = Sparse(weights=weights)
    source.s_out.connect(sparse.s_in)
    sparse.a_out.connect(sink.a_in)
    with started(sparse, Loihi2SimCfg(select_tag="floating_pt")) as runtime:
        runtime.run(2)
        inside = sparse.weights.init.copy()
        sparse.weights.set(csr_matrix(np.array([[0, 30, 0], [10, 0, 20]])))
        runtime.run(2)
        assert sink.data.get().tolist() == [[0, 0, 3, 0], [0, 3, 2, 30]]
        assert (sparse.weights.init != inside).nnz == 0
    assert (weights != given).nnz == 0
    assert np.array_equal(weights.data, given.data)


VALUES = {
    "whole": [[9, 8, 7], [6, 5, 4]],
    "short": [-32768, 32767],
    "real": [1e-300, np.pi, -0.0],
    "single": [0.3, 1e-8],
    "flags": [False, True, True],
    "number": 17,
    "sparse": csr_matrix([[0, -2, 0], [5, 0, 6]]),
    "text": "world",
}


def got(var):
    """A value in a form that can be compared: type, dtype, shape, and what is in it."""
    value = var.get()
    if isinstance(value, csr_matrix):
        return "csr", value.dtype, value.shape, value.toarray().tolist()
    return type(value), getattr(value, "dtype", None), getattr(value, "shape", None), np.asarray(value).tolist()


def test_vars_of_every_type_are_the_same_in_both_ways():
    found = []
    for in_process in (True, False):
        kinds = Kinds()
        with LavaRuntime(kinds, timeout=30, in_process=in_process) as runtime:
            first = {var.name: got(var) for var in kinds.vars}
            runtime.run(1)
            for name, value in VALUES.items():
                # Lava's models make a float of an int that is set, which they cannot show any more.
                if name != "number" or in_process:
                    getattr(kinds, name).set(value)
            runtime.run(1)
            found.append((first, {var.name: got(var) for var in kinds.vars}))
    first, second = found[0]
    assert second["number"][1:] == (np.int64, (1,), [17])
    second["number"] = found[1][1]["number"]
    assert found[0] == found[1]
    assert first["whole"][1:] == (np.int64, (2, 3), [[0, 1, 2], [3, 4, 5]])
    assert first["short"][1:] == (np.int16, (2,), [-7, 7])
    assert first["real"][3] == [0.1, -2.5, 1e300]
    assert first["single"][3] == [np.float32(0.1), np.float32(0.2)]
    assert first["flags"][3] == [True, False, True]
    assert first["text"][3] == "hello"
    assert first["sparse"][3] == [[0, 2, 0], [3, 0, 4]]
    for name, value in VALUES.items():
        if name == "number":
            continue
        expected = value.toarray() if isinstance(value, csr_matrix) else value
        if name == "single":
            expected = np.float32(expected)
        assert np.array_equal(np.ravel(second[name][3]), np.ravel(expected)), name


# ------------------------------------------------------------ models that ask


def test_phases_that_a_model_asks_for(started):
    """In their order; the marks are in the state of the model, wherever that is."""

    def mark(number):
        def note(model):
            model.count[0] = 10 * model.count[0] + number

        return note

    process = Doing(mark(1), before=mark(2), learn=mark(3), after=mark(4))
    with started(process) as runtime:
        runtime.run(1)
        assert process.count.get().tolist() == [1234]
        process.count.set(0)
        runtime.run(2)
        assert process.count.get().tolist() == [12341234]


def test_a_model_that_looks_whether_there_is_something(started):
    """`probe` says no until a message is there; in one process whoever sends it goes on meanwhile."""

    def look(model):
        while not model.a_in.probe():
            model.count[0] = 1
        assert model.receive() == 7
        model.count[0] += 10

    looking, sending = Doing(look, name="looking"), Doing(lambda model: model.send(7), name="sending")
    sending.a_out.connect(looking.a_in)
    with started(looking) as runtime:
        runtime.run(3)
        assert looking.count.get().item() % 10 <= 1
        assert looking.count.get().item() >= 11


def test_a_model_that_sends_more_than_a_channel_holds(started):
    """Two hundred messages per step, to somebody who takes as many: both have to wait again and again."""

    def send(model):
        for k in range(200):
            model.send(k)

    def receive(model):
        assert [model.receive() for _ in range(200)] == list(range(200))
        model.count[0] += 1

    sending, receiving = Doing(send), Doing(receive)
    sending.a_out.connect(receiving.a_in)
    with started(sending) as runtime:
        runtime.run(3)
        assert receiving.count.get().item() == 3


@pytest.mark.parametrize("phase", ["spike", "before", "learn", "after"])
def test_a_model_that_asks_for_a_pause(started, phase):
    """The run ends after that step, for everybody; the next one goes on from there."""

    def ask(model):
        if model.time_step == 3:
            model._req_pause = True

    def count(model):
        model.count[0] += 1

    asking, other = Doing(**{phase: ask}), Doing(count)
    asking.a_out.connect(other.a_in)
    with started(asking) as runtime:
        runtime.run(10)
        assert other.count.get().item() == 3
        runtime.run(10)
        assert other.count.get().item() == 13


def test_a_model_that_asks_for_a_stop(started):
    def ask(model):
        if model.time_step == 3:
            model._req_stop = True

    asking, other = Doing(ask), Doing()
    asking.a_out.connect(other.a_in)
    runtime = started(asking)
    runtime.run(10)
    with pytest.raises(RuntimeFailure, match="is stopped"):
        runtime.run(1)
    with pytest.raises(RuntimeFailure, match="is stopped"):
        other.count.get()


def test_a_model_that_overrides_start(started):
    process = Starting()
    with started(process) as runtime:
        assert process.starts.get().item() == 1
        runtime.run(2)
        assert process.starts.get().item() == 21


def test_what_numpy_was_told_holds_in_models(started):
    """Also where a model had to wait for others before, and from another thread."""

    def divide(model):
        model.receive()
        try:
            np.array([1.0]) / np.array([0.0])
        except FloatingPointError:
            model.count[0] += 1

    def use(process):
        with np.errstate(divide="raise"), started(process) as runtime:
            runtime.run(3)
            found.append(process.count.get().item())

    found = []
    for where in ("here", "there"):
        dividing, late = Doing(divide), Doing(lambda model: model.send(1))
        late.a_out.connect(dividing.a_in)
        if where == "here":
            use(dividing)
        else:
            thread = threading.Thread(target=use, args=(dividing,))
            thread.start()
            thread.join()
    assert found == [3, 3]


# ------------------------------------------------------------ which way it is


def test_asynchronous_models_run_as_before_and_are_refused_in_one_process():
    with pytest.raises(
        InputError,
        match=r"^\w*Async\w* leads models that run each at its own pace .*; leave in_process out, or",
    ):
        LavaRuntime(Asynchronous(), in_process=True)
    process = Asynchronous()
    with LavaRuntime(process, timeout=30) as runtime:
        assert not runtime.in_process
        runtime.run(3)
        assert process.runs.get().item() == 3


@pytest.mark.parametrize("wrong", [0, 1, "true", "", 1.0, [True], np.array([True, False])])
def test_what_does_not_say_in_which_way(wrong):
    circuit = lava_nbp.training_circuit(3, 2, 2)
    weights = lava_nbp.initial_weights(circuit, np.random.default_rng(0))
    doors = [
        lambda: LavaRuntime(Doing(), in_process=wrong),
        lambda: lava_nbp.run_config("lava", in_process=wrong),
        lambda: lava_nbp.make_executor("lava", circuit, weights, in_process=wrong),
    ]
    for door in doors:
        with pytest.raises(InputError, match="^in_process is .*, but must be True or False"):
            door()


def test_the_runtime_is_asked_before_the_configuration():
    for asked, config, found in ((None, True, True), (None, False, False), (False, True, False), (True, False, True)):
        with LavaRuntime(Doing(), lava_nbp.run_config("lava", in_process=config), in_process=asked) as runtime:
            assert runtime.in_process == found
    with LavaRuntime(Doing()) as runtime:
        assert runtime.in_process


def test_process_run_in_both_ways(in_process):
    chain = SynfireChain(3, autostart=True)
    dense, sink = Dense(weights=np.eye(3)), Sink(shape=(3,), buffer=5)
    chain.s_out.connect(dense.s_in)
    dense.a_out.connect(sink.a_in)
    chain.run(RunSteps(5), lava_nbp.run_config("lava", in_process=in_process))
    assert sink.data.get().T.tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]
    chain.stop()
