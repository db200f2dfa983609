"""Groups of gated neurons, step by step: the arithmetic behind the Processes of neurons, in plain NumPy.

A *group* is one or several populations of the same shape, with the synapses that
lead to them. Neuron of every population (Loihi's CUBA-LIF with both decays
complete, du = dv = 4095, hence without memory)::

    u[t] = wrap24(64 * sum of w * s_pre[t - 1 - delay] + 64 * a_in[t])
    v[t] = saturate24(u[t] + bias_mant * 2**bias_exp)
    s[t] = v[t] > 64 * vth  and  no spike in the steps t - 1 .. t - refractory + 1

wrap24 keeps u in (-2**23, 2**23], saturate24 keeps v in -(2**23 - 1) .. 2**23 - 1, as
Lava's bit-accurate LIF does. After a spike v is 0. Weights, thresholds and biases are given in *weight units*,
1/64 of the registers. The floating-point form leaves out wrap and saturation, and
takes real `a_in`.

A *gate* is a spike of a gating neuron (an entry of the vector that a chain sends)
that adds the same weight to every neuron of a population. A population has a
negative bias, so that nothing fires without one: see `lava_nbp.nbp.circuit`.
Source: Renner et al. 2024, Methods.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.arrays import Allocate
from lava_nbp.base.checks import check_integer, check_kind, check_sequence, is_integer, named, shown
from lava_nbp.base.fields import settle
from lava_nbp.base.integers import bias_mantissa_exponent, mantissa_exponent, saturate_state, wrap_state
from lava_nbp.base.widths import ALIGNMENT_BITS, DELAY_MAX, NEURONS_PER_CHIP, REFRACTORY_MAX, STATE_BITS, THRESHOLD_BITS
from lava_nbp.errors import InputError, WeightError, unknown_name
from lava_nbp.nbp.draws import NOISE_MAX, epoch_key, thresholds_raised
from lava_nbp.nbp.levels import GATE, GATED_BIAS, RELAY, THRESHOLD
from lava_nbp.nbp.work import Counters

_UNIT = 1 << ALIGNMENT_BITS
#: A voltage's largest magnitude in its register; a current may be greater by one.
_LARGEST = (1 << (STATE_BITS - 1)) - 1
#: Names of populations and spike ports: ports of Processes are named after them.
NAME = r"[A-Za-z][A-Za-z0-9_]{0,99}"
K = TypeVar("K")


def check_shape(shape: Any) -> tuple[int, ...]:
    """Return the shape of a population as a tuple of positive integers; raise InputError for any other."""
    several = isinstance(shape, (list, tuple)) or (isinstance(shape, np.ndarray) and shape.ndim == 1)
    sizes = tuple(shape) if several else (shape,)
    if not sizes or not all(is_integer(n) and n >= 1 for n in sizes):
        raise InputError(f"shape is {shown(shape)}, but must be one or several integers of 1 or more, like (100,)")
    if math.prod(map(int, sizes)) > NEURONS_PER_CHIP:
        raise InputError(f"shape is {shown(shape)}, but the limit is {NEURONS_PER_CHIP} neurons; make it smaller")
    return tuple(int(n) for n in sizes)


def check_name(name: str, what: str) -> None:
    """Raise InputError unless text can name a population, a port or a Var."""
    if not re.fullmatch(NAME, name):
        raise InputError(f"{what} is {shown(name)}, but must be a letter, then letters, digits or underscores")


def _all_of(kind: type[K], values: Any, what: str) -> tuple[K, ...]:
    found = check_sequence(values, what, f"give {kind.__name__}(...) values")
    for k, value in enumerate(found):
        check_kind(value, kind, f"{what}[{k}]")
    return found


def check_delay(delay: Any, what: str) -> None:
    """Raise InputError unless a delay is an integer in 0 .. 62."""
    check_integer(delay, 0, DELAY_MAX, f"{what}: delay", "chain two memories for more")


def check_fixed_weight(weight: Any, what: str) -> None:
    """Raise WeightError unless a fixed synapse can hold the weight."""
    if not is_integer(weight):
        raise WeightError(f"{what} is {shown(weight)}, but must be an integer, in weight units")
    mantissa_exponent(int(weight), what)


@dataclass(frozen=True)
class Gate:
    """Synapses from a gating neuron to all neurons of a population.

    Parameters
    ----------
    entry : int
        Which entry of `gate_in` it is: for a chain, the phase in which the gating neuron fires.
    weight : int
        In weight units; positive opens, negative keeps silent.
    """

    entry: int
    weight: int = GATE

    def __post_init__(self) -> None:
        settle(self, "gate", InputError, only=("entry",))
        check_integer(self.entry, 0, None, "gate entry")
        check_fixed_weight(self.weight, "gate weight")
        settle(self, "gate", WeightError)


@dataclass(frozen=True)
class Neurons:
    """One population of a group.

    Parameters
    ----------
    name : str
        Names its spike output, `<name>_out`.
    gates : tuple of Gate
        What opens and inhibits it; several may share an entry.
    bias : int
        In weight units: 64 * bias must be a 13-bit mantissa times 2**0 .. 2**7.
    vth : int
        Threshold in weight units, 0 .. 2**17 - 1.
    refractory : int
        Steps from a spike to the next possible one, 1 .. 63; 1 means none is skipped.
    schedule : tuple of int, optional
        Entries after which it may fire; a spike in any other step is counted as a breach.
        Default: the entries of gates with positive weight, and any step in which a synapse
        with the role "gate" brings a spike.
    noise : int
        In every step the threshold of each neuron is raised by an integer in 0 .. noise - 1, in weight units; see
        `lava_nbp.nbp.draws`. 0 or 1: by none.
    """

    name: str
    gates: tuple[Gate, ...] = (Gate(0),)
    bias: int = GATED_BIAS
    vth: int = THRESHOLD
    refractory: int = 1
    schedule: tuple[int, ...] | None = None
    noise: int = 0

    def __post_init__(self) -> None:
        what = f"population {shown(self.name)}"
        settle(self, what, InputError)
        check_name(self.name, "population name")
        check_integer(
            self.vth, 0, (1 << THRESHOLD_BITS) - 1, f"{what}: vth", "it is given in weight units, 1/64 of the register"
        )
        check_integer(self.refractory, 1, REFRACTORY_MAX, f"{what}: refractory", "1 means that no step is skipped")
        check_integer(self.noise, 0, NOISE_MAX, f"{what}: noise", "it raises the threshold")
        bias_mantissa_exponent(self.bias, self.name)
        if self.bias > self.vth:
            raise InputError(
                f"{what}: its bias {self.bias} is over the threshold {self.vth}, so it would fire in every step "
                f"without a gate; use {GATED_BIAS}"
            )

    def check_entries(self, n_gates: int) -> None:
        """Raise InputError for a gate or an entry of the schedule that a gate vector of n_gates entries has not."""
        for entry, kind in [(g.entry, "gate") for g in self.gates] + [(k, "schedule") for k in self.schedule or ()]:
            what = f"population {self.name!r}: {kind} entry"
            check_integer(entry, 0, n_gates - 1, what, f"gate_in has {n_gates} entries")


@dataclass(frozen=True)
class Synapses:
    """Fixed synapses to a population, from another of the group or from a spike port: one-to-one, or from or to one.

    A spike that arrives at the port in step t acts in step t + 1 + `delay`; several at
    once (from several senders) act as often.

    Parameters
    ----------
    pre : str
        A population of the group, or the name of a spike port, which ends in `_in`.
    post : str
        A population of the group.
    weight : int
        In weight units: an 8-bit mantissa times 2**0 .. 2**7.
    delay : int
        0 .. 62 steps beyond the one that transport takes.
    role : {"relay", "gate"}
        A gate opens the neuron it reaches; it matters for counting breaches only.
    senders : int
        Neurons behind a spike port, if they are not as many as the population's: 1, each of whose spikes reaches all,
        or any number to a population of one neuron, which hears all of them. 0: as many.
    """

    pre: str
    post: str
    weight: int = RELAY
    delay: int = 0
    role: Literal["relay", "gate"] = "relay"
    senders: int = 0

    def __post_init__(self) -> None:
        what = f"synapses {named(self.pre)} -> {named(self.post)}"
        settle(self, what, InputError, only=("pre", "post", "role"))
        check_integer(self.senders, 0, NEURONS_PER_CHIP, f"{what}: senders")
        check_name(self.post, f"{what}: post")
        check_delay(self.delay, what)
        check_fixed_weight(self.weight, f"{what}: weight")
        settle(self, what, InputError)


@dataclass(frozen=True)
class Readout:
    """Pre-activation (input without gates) of a population, in steps in which a gate is open."""

    population: str
    entry: int

    def __post_init__(self) -> None:
        settle(self, "readout", InputError)
        check_integer(self.entry, 0, None, "readout: entry")


class GatedGroup:
    """Populations of one shape and their state.

    Parameters
    ----------
    shape : tuple of int
        Shape of every population, and of what enters and leaves.
    neurons : sequence of Neurons
        The populations.
    synapses : sequence of Synapses
        From the group's spike ports and populations.
    n_gates : int
        Entries of the gate vector; 0 if the group is not gated by a chain.
    readout : Readout, optional
        What `pre_activation` returns.
    allocate : callable
        Makes arrays of zeros; with shared memory, parent and child see the same state.

    Raises
    ------
    InputError
        For a shape, delay, threshold, bias, refractory period or name that is not possible.
    WeightError
        For a weight that no synapse can hold.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        neurons: Sequence[Neurons],
        synapses: Sequence[Synapses] = (),
        n_gates: int = 1,
        readout: Readout | None = None,
        allocate: Allocate = np.zeros,
    ) -> None:
        self.shape = check_shape(shape)
        self.neurons = _all_of(Neurons, neurons, "neurons")
        self.names = tuple(p.name for p in self.neurons)
        self.n_gates = n_gates = check_integer(n_gates, 0, NEURONS_PER_CHIP, "n_gates")
        for p in self.neurons:
            p.check_entries(n_gates)
        self.synapses = synapses = _all_of(Synapses, synapses, "synapses")
        for s in synapses:
            self._check_synapses(s)
        if readout is not None:
            check_integer(readout.entry, 0, n_gates - 1, "readout", f"gate_in has {n_gates} entries")
        #: Spike ports, and the neurons behind each if they are not as many as here.
        self.ports = {s.pre: s.senders for s in synapses if s.pre not in self.names}
        self._routes = {
            pre: [(self.names.index(s.post), s.weight, s.delay, s.role == "gate") for s in synapses if s.pre == pre]
            for pre in (*self.ports, *self.names)
        }
        self._readout = readout
        gates = [(g.entry, k, g.weight) for k, p in enumerate(self.neurons) for g in p.gates]
        #: By entry of the gate vector: what it brings each population, and to how many neurons.
        self._gate_brings = np.zeros((n_gates, len(self.neurons)), dtype=np.int64)
        self._gate_reaches = [0] * n_gates
        for entry, k, weight in gates:
            self._gate_brings[entry, k] += weight
            self._gate_reaches[entry] += math.prod(self.shape)
        self._scheduled = np.zeros((n_gates, len(self.neurons)), dtype=np.uint8)
        for k, p in enumerate(self.neurons):
            opened = {g.entry for g in p.gates if g.weight > 0} if p.schedule is None else set(p.schedule)
            self._scheduled[sorted(opened), k] = 1
        of_gates, asked = {entry for entry, _, _ in gates}, {readout.entry} if readout is not None else set[int]()
        scheduled = set(np.flatnonzero(self._scheduled.any(axis=1)).tolist())
        #: Those of the gate vector that mean something to the group.
        self._entries = np.array(sorted(of_gates | scheduled | asked), dtype=np.intp)
        registers = [bias_mantissa_exponent(p.bias, p.name) for p in self.neurons]
        self.bias_mant = np.array([mantissa for mantissa, _ in registers], dtype=np.int64)
        self.bias_exp = np.array([exponent for _, exponent in registers], dtype=np.int64)
        self._bias = (self.bias_mant << self.bias_exp)[:, None]
        self._vth = np.array([[p.vth * _UNIT] for p in self.neurons], dtype=np.int64)
        self._refractory = np.array([[p.refractory] for p in self.neurons], dtype=np.int64)
        self._bias_range = int(self._bias.min(initial=0)), int(self._bias.max(initial=0))
        self._refrains = bool((self._refractory > 1).any())
        self._noisy = [(k, p) for k, p in enumerate(self.neurons) if p.noise > 1]
        size = math.prod(self.shape)
        self.draw_by(partial(epoch_key, 0, 0), {name: k * size for k, name in enumerate(self.names)})
        self._opens = any(s.role == "gate" for s in synapses)
        self._schedule_given = np.array([p.schedule is not None for p in self.neurons])
        n, slots = math.prod(self.shape), max((s.delay for s in synapses), default=0) + 2
        populations = len(self.neurons)
        self._arriving = allocate((slots, populations, n), np.int64)
        self._opened = allocate((slots, populations, n), np.uint8)  # by synapses with the role "gate"
        self._touched = allocate(slots, np.uint8)
        self._gate_weight = allocate(populations, np.int64)  # what the gates bring in the step to come
        self._gate_open = allocate(populations, np.uint8)
        self._gate_spikes = allocate(max(n_gates, 1), np.uint8)
        self._last = allocate((populations, n), np.int64)
        self._step = allocate(1, np.int64)
        self._u = allocate((populations, n), np.int64)
        self._v = allocate((populations, n), np.int64)
        self._floating = allocate(1, np.uint8)
        self.counters = Counters.make(allocate)
        #: What `fire` returns, the very same, for a step in which nothing fires.
        self.silence: Mapping[str, NDArray[np.bool_]] = MappingProxyType(
            {name: _frozen(np.zeros(self.shape, dtype=bool)) for name in self.names}
        )
        self._nothing = _frozen(np.zeros(n, dtype=np.int64))
        self._pre: NDArray[Any] = self._nothing
        self.reset()

    def _check_synapses(self, s: Synapses) -> None:
        what = f"synapses {named(s.pre)} -> {named(s.post)}"
        if s.post not in self.names:
            raise InputError(f"{what}: {unknown_name('the population', s.post, self.names)}")
        if s.pre not in self.names and not s.pre.endswith("_in"):
            own = ", ".join(self.names)
            raise InputError(f"{what}: spike port {shown(s.pre)} must end in '_in', or be one of {own}")
        n = math.prod(self.shape)
        if s.senders and (s.pre in self.names or (n > 1 and s.senders not in (1, n))):
            raise InputError(
                f"{what}: {s.senders} neurons cannot reach {n}; give 1, which reaches all, or 0, which is as many"
            )
        if any(other.pre == s.pre and other.senders != s.senders for other in self.synapses):
            raise InputError(f"{what}: other synapses from {s.pre!r} have other senders; give all of them the same")

    # ------------------------------------------------------------------ state

    def reset(self) -> None:
        """Forget every spike under way, and all spikes fired."""
        for array in (self._arriving, self._opened, self._touched, self._gate_weight, self._gate_open, self._step):
            array[...] = 0
        self._gate_spikes[...] = 0
        self._last[...] = -(1 << 32)
        self._u[...] = 0
        self._v[...] = 0

    def use_floating_point(self) -> None:
        """Real numbers from now on: no wrap, no saturation. Parent processes see it, too."""
        self._floating[0] = 1
        self.reset()

    def _numbers(self, array: NDArray[Any]) -> NDArray[Any]:
        # Integers and real numbers share the memory: 8 bytes, and all bits zero is 0.0.
        return array.view(np.float64) if self._floating[0] else array

    def draw_by(self, key: Callable[[], int], first: Mapping[str, int]) -> None:
        """Let the noise follow from a key of the moment, and each population begin at a place among all neurons.

        What `lava_nbp.nbp.draws.epoch_key` returns is a key; as long as nobody says otherwise that of seed 0.
        """
        self._key, self._first = key, dict(first)

    @property
    def u(self) -> NDArray[Any]:
        """Synaptic current of the last step, (populations, *shape), register units."""
        return self._numbers(self._u).reshape(-1, *self.shape)

    @property
    def v(self) -> NDArray[Any]:
        """Membrane voltage of the last step, likewise; 0 where a neuron has fired."""
        return self._numbers(self._v).reshape(-1, *self.shape)

    @property
    def pre_activation(self) -> NDArray[Any]:
        """What `readout` asks for, of the last step, in weight units; zero while its gate is closed. Read-only."""
        return self._pre.reshape(self.shape)

    # ---------------------------------------------------------------- running

    def fire(self, dense: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[np.bool_]]:
        """Run the neurons for one step; `dense` is weighted input that acts at once, by population.

        Returns the spikes of every population, to be read only: `silence` if there are none.
        """
        now = self._step.item()
        slot = now % len(self._touched)
        floating = bool(self._floating[0])
        if dense:
            dense = {name: a for name, a in dense.items() if np.count_nonzero(a)}
        if not floating:
            for name, a in dense.items():
                _check_integers(a, name)
        spikes = self.silence
        self._pre = self._numbers(self._nothing)
        if self._touched[slot] or dense:
            total = self._numbers(self._arriving[slot])
            for name, a in dense.items():
                total[self.names.index(name)] += a.ravel() if floating else a.ravel().astype(np.int64)
            if self._readout is not None and self._gate_spikes[self._readout.entry]:
                self._pre = _frozen(total[self.names.index(self._readout.population)].copy())
            if np.count_nonzero(self._gate_weight):
                total += self._gate_weight[:, None]
            fired = self._membrane(total, floating)
            if self._noisy:
                self._disturb(fired, now)
            if self._refrains:
                fired &= now - self._last >= self._refractory
            n_fired = np.count_nonzero(fired)
            if n_fired:
                if self._refrains:
                    self._last[fired] = now
                np.putmask(self._v, fired, 0)
                self.counters.spikes[0] += n_fired
                self.counters.gate_breaches[0] += self._count_breaches(fired, slot)
                spikes = {name: _frozen(fired[k].reshape(self.shape)) for k, name in enumerate(self.names)}
            total[...] = 0
            if self._opens:
                self._opened[slot] = 0
            self._touched[slot] = 0
        else:  # without input nothing fires: no bias is over its threshold
            self._u[...] = 0
            self._numbers(self._v)[...] = self._bias
        if np.count_nonzero(self._gate_spikes):
            self._gate_weight[...] = 0
            self._gate_open[...] = 0
            self._gate_spikes[...] = 0
        self._step[0] = now + 1
        return spikes

    def _membrane(self, total: NDArray[Any], floating: bool) -> NDArray[np.bool_]:
        u, v = self._numbers(self._u), self._numbers(self._v)
        np.multiply(total, _UNIT, out=u)
        if floating:
            np.add(u, self._bias, out=v)
        else:
            low, high = _range(u)
            if high > _LARGEST + 1 or low < -_LARGEST:
                wrapped = wrap_state(u)
                self.counters.gate_breaches[0] += np.count_nonzero(wrapped != u)
                u[...] = wrapped
                low, high = _range(u)
            np.add(u, self._bias, out=v)
            if high + self._bias_range[1] > _LARGEST or low + self._bias_range[0] < -_LARGEST:
                v[...] = saturate_state(v)
        over: NDArray[np.bool_] = v > self._vth
        return over

    def _disturb(self, fired: NDArray[np.bool_], now: int) -> None:
        """Take away spikes of neurons whose noise holds them back."""
        v = self._numbers(self._v)
        for k, p in self._noisy:
            if np.count_nonzero(fired[k]):
                raised = thresholds_raised(self._key(), now, self._first[p.name], fired.shape[1], p.noise)
                fired[k] &= v[k] > self._vth[k] + raised * _UNIT

    def _count_breaches(self, fired: NDArray[np.bool_], slot: int) -> int:
        closed = self._gate_open == 0
        outside = fired[closed]
        if self._opens:
            outside &= self._schedule_given[closed, None] | (self._opened[slot][closed] == 0)
        return np.count_nonzero(outside)

    def receive(self, pre: str, spikes: NDArray[Any]) -> None:
        """Take spikes (counts) of this step from a spike port or a population of the group."""
        routes = self._routes[pre]
        if not routes or not np.count_nonzero(spikes):
            return
        counts, size = spikes.ravel().astype(np.int64), self._u.shape[1]
        n = int(np.count_nonzero(counts))
        if len(counts) != size:
            counts = counts.sum(keepdims=True)  # those of one neuron, or all that reach one
            n *= size
        now, slots = int(self._step[0]), len(self._touched)  # `fire` has already moved on to the next step
        for k, weight, delay, opens in routes:
            slot = (now + delay) % slots
            self._numbers(self._arriving[slot])[k] += weight * counts
            self._touched[slot] = 1
            if opens:
                self._opened[slot, k][counts != 0] = 1
            self.counters.synaptic_events[0] += n

    def receive_gates(self, spikes: NDArray[Any]) -> None:
        """Take the gate vector of this step, (n_gates,)."""
        given = spikes.ravel()
        if not np.count_nonzero(given.take(self._entries)):
            return  # most steps of a chain concern others
        self._gate_open[...] = 0
        for entry in np.flatnonzero(given).tolist():
            self._gate_spikes[entry] = 1
            self._gate_weight += self._gate_brings[entry]
            self._gate_open |= self._scheduled[entry]
            self.counters.synaptic_events[0] += self._gate_reaches[entry]
        self._touched[int(self._step[0]) % len(self._touched)] = 1


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array.setflags(write=False)
    return array


def _range(array: NDArray[Any]) -> tuple[int, int]:
    """Least and greatest of an array's numbers and 0."""
    return int(np.minimum.reduce(array, None, initial=0)), int(np.maximum.reduce(array, None, initial=0))


def _check_integers(array: NDArray[Any], name: str) -> None:
    if array.dtype.kind == "f" and (array != np.rint(array)).any():
        bad = array[array != np.rint(array)].flat[0]
        raise InputError(
            f"weighted input of population {name!r} brings {bad}, but the fixed-point model takes integers; send "
            f"integers, or select the models tagged floating_pt"
        )
