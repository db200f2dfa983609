"""What a circuit computes per sample, without spikes and phases: derived from the circuit by running it on symbols.

In a circuit that keeps its samples apart every spike of a sample is a function of its inputs and of the weights. A
*signal* is such a vector of spikes; populations that relay one fire the same signal again. There are four kinds::

    given      what a source brings
    above      sum of W * s > above       over one or several matrices, each as learning has left it by then; relays
                                          and gates of signals add their weights, and noise raises what is needed
    logic      a truth table of signals   what relays, anti-relays and gates alone make of them
    any        whether any spike is there what a neuron hears that all of a population reach

Learning is a list of *updates* ``W = saturate(W + change * outer(pre, post))``. Matrices that several projections hold,
transposed or negative, must come out the same in all of them. `lava_nbp.nbp.reference` computes exactly this;
`lava_nbp.nbp.sample_engine` compiles one shape of it. Where it holds, see `sample_form`.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.fields import settle
from lava_nbp.base.integers import INPUT_HALF_RANGE
from lava_nbp.base.targets import spike_by_spike
from lava_nbp.errors import CircuitError, InputError
from lava_nbp.nbp.circuit import Circuit, Connection, DenseProjection, check_circuit
from lava_nbp.nbp.levels import THRESHOLD

#: More signals in one truth table than any sensible circuit adds up.
_MOST_INPUTS = 12


@dataclass(frozen=True)
class Given:
    """The spikes of a source."""

    source: str


@dataclass(frozen=True)
class Term:
    """Part of a sum: a matrix, as some updates have left it, times a signal.

    Attributes
    ----------
    matrix : str
        Which.
    transposed, sign
        As of `DenseProjection`.
    signal : int
        The presynaptic spikes.
    updates : tuple of int
        Updates of this sample that the weights have behind them.
    """

    matrix: str
    transposed: bool
    sign: int
    signal: int
    updates: tuple[int, ...] = ()


@dataclass(frozen=True)
class Noise:
    """What raises the thresholds of a population in a phase: a draw for each neuron, see `lava_nbp.nbp.draws`.

    Attributes
    ----------
    population : str
        Whose.
    phase : int
        Counted from the start of the sample.
    below : int
        The draw is in 0 .. below - 1.
    """

    population: str
    phase: int
    below: int


@dataclass(frozen=True)
class Above:
    """Fires where a sum is larger than `above`, in weight units, and than what noise adds to it.

    Attributes
    ----------
    terms : tuple of Term
        Dense input that is added up; none, if what fires is all drawn.
    above : int
        What the sum must exceed.
    spikes : tuple of (int, int)
        Signals that are relayed to the same neurons, and the weight of each.
    noise : Noise, optional
        What is added to `above`.
    """

    terms: tuple[Term, ...]
    above: int
    spikes: tuple[tuple[int, int], ...] = ()
    noise: Noise | None = None

    @property
    def plain(self) -> bool:
        """Whether it is a sum of dense input alone."""
        return bool(self.terms) and not self.spikes and self.noise is None


@dataclass(frozen=True)
class Logic:
    """Fires as a table says: entry sum of 2**k * signals[k]."""

    signals: tuple[int, ...]
    table: tuple[bool, ...]


@dataclass(frozen=True)
class AnyOf:
    """One neuron, which fires where any of a signal does."""

    signal: int


Signal = Given | Above | Logic | AnyOf


@dataclass(frozen=True)
class Update:
    """W = saturate(W + change * outer(pre, post)), in a phase."""

    matrix: str
    pre: int
    post: int
    change: int
    phase: int


@dataclass(frozen=True)
class ClosedSum:
    """Dense input that reaches a population while it is closed: a gate breach where it exceeds `limit`.

    It is one, too, where it is `low` or less, and leaves the register together with what inhibits the population: then
    it wraps. Where spikes are relayed to the closed population in the same phase, both limits leave room for all of
    them. `phase` counts from the start of the sample: those over the period belong to the next.
    """

    population: str
    phase: int
    terms: tuple[Term, ...]
    limit: int
    low: int


@dataclass(frozen=True)
class OpenSum:
    """Dense input of so many open populations: it leaves their register above `high`, and at `low` or below."""

    copies: int
    low: int
    high: int


@dataclass(frozen=True)
class SampleForm:
    """What a circuit computes per sample.

    Attributes
    ----------
    circuit : Circuit
        Whose form it is.
    signals : tuple
        In an order in which each needs earlier ones only.
    sizes : tuple of int
        Neurons of every signal.
    fires : dict
        The signal by (population, phase), for every phase of the schedule.
    updates : tuple of Update
        In the order in which they are applied.
    closed : tuple of ClosedSum
        Where dense input could breach a gate.
    """

    circuit: Circuit
    signals: tuple[Signal, ...]
    sizes: tuple[int, ...]
    fires: dict[tuple[str, int], int]
    updates: tuple[Update, ...]
    closed: tuple[ClosedSum, ...]

    def __post_init__(self) -> None:
        settle(self, "form", InputError)

    @property
    def answer(self) -> int:
        """The signal that is the network's answer."""
        return self.fires[self.circuit.answers, self.circuit.output_phase]

    @property
    def layers(self) -> tuple[int, ...]:
        """The signal of every layer: what its population fires first."""
        return tuple(self.fires[name, min(self.circuit[name].phases)] for name in self.circuit.forward)

    @cached_property
    def _places(self) -> dict[tuple[Term, ...], int]:
        behind = (s.terms for s in self.signals if isinstance(s, Above))
        return {terms: k for k, terms in enumerate(dict.fromkeys((*behind, *(c.terms for c in self.closed))))}

    @cached_property
    def sums(self) -> tuple[tuple[Term, ...], ...]:
        """Every sum of terms, behind a signal or at a closed gate, once; one of no terms is 0."""
        return tuple(self._places)

    @cached_property
    def sum_of(self) -> dict[int, int]:
        """Place in `sums` of what is behind a signal, for signals that are a sum."""
        return {k: self._places[s.terms] for k, s in enumerate(self.signals) if isinstance(s, Above)}

    @cached_property
    def open_sums(self) -> dict[int, OpenSum]:
        """What leaves the register, by place in `sums`, with the gates that add the least and the most to a sum."""
        circuit = self.circuit
        gates: dict[int, list[tuple[int, int]]] = {}
        for signal, place in self.sum_of.items():
            above = self.above(signal)
            if above is not None and above.terms:
                # The firing point is what the gates leave of threshold and bias.
                most = max(THRESHOLD - p.bias for p in circuit.populations) - above.above
                opened = sum(weight for _, weight in above.spikes if weight > 0)
                gates.setdefault(place, []).append((most, most + opened))
        return {
            place: OpenSum(
                len(found),
                -INPUT_HALF_RANGE - min(least for least, _ in found),
                INPUT_HALF_RANGE - max(most for _, most in found),
            )
            for place, found in gates.items()
        }

    @cached_property
    def closed_sums(self) -> Counter[tuple[int, int, int]]:
        """How many populations a sum, by its place in `sums`, reaches while they are closed between two limits."""
        return Counter((self._places[c.terms], c.limit, c.low) for c in self.closed)

    @cached_property
    def sent(self) -> tuple[tuple[int, str, bool], ...]:
        """Signals that are sent to an open population: through which matrix, and whether through its transpose.

        Copies of a matrix count once.
        """
        terms = {t for s in self.signals if isinstance(s, Above) for t in s.terms}
        pairs = {(t.matrix, t.transposed, t.signal) for t in terms}
        return tuple((signal, name, transposed) for name, transposed, signal in sorted(pairs))

    @cached_property
    def masks(self) -> dict[str, NDArray[np.bool_]]:
        """Which synapses (pre, post) there are of a matrix, if not all."""
        return {m.name: m.mask.matrix(m.shape) for m in self.circuit.matrices if m.mask is not None}

    @cached_property
    def fans(self) -> dict[tuple[str, bool], NDArray[np.int64]]:
        """Synapses of each neuron that sends through a matrix, or (True) through its transpose."""
        found: dict[tuple[str, bool], NDArray[np.int64]] = {}
        for m in self.circuit.matrices:
            there = self.masks[m.name] if m.name in self.masks else np.broadcast_to(np.True_, m.shape)
            found |= {(m.name, turned): there.sum(axis=0 if turned else 1) for turned in (False, True)}
        return found

    def above(self, signal: int) -> Above | None:
        """The sum behind a signal, if it is one."""
        found = self.signals[signal]
        return found if isinstance(found, Above) else None

    def leaves(self, signal: int) -> tuple[int, ...]:
        """The signals, none of them logic, that a signal is a function of, in order; of a leaf itself."""
        found = self.signals[signal]
        if not isinstance(found, Logic):
            return (signal,)
        return tuple(sorted({leaf for s in found.signals for leaf in self.leaves(s)}))

    def value(self, signal: int, leaves: dict[int, bool]) -> bool:
        """A signal for given values of its leaves."""
        found = self.signals[signal]
        if not isinstance(found, Logic):
            return leaves[signal]
        return found.table[sum(self.value(s, leaves) << k for k, s in enumerate(found.signals))]

    def disjoint(self, one: int, other: int) -> bool:
        """Whether two signals are known never to fire both, whatever the inputs and the weights are."""
        pair = (min(one, other), max(one, other))
        if pair not in self._disjoint:
            self._disjoint[pair] = self._never_both(*pair)
        return self._disjoint[pair]

    @cached_property
    def _disjoint(self) -> dict[tuple[int, int], bool]:
        return {}

    def _never_both(self, one: int, other: int) -> bool:
        leaves = tuple(sorted({*self.leaves(one), *self.leaves(other)}))
        if len(leaves) > _MOST_INPUTS:
            return False
        exclusive = [(a, b) for a, b in itertools.combinations(leaves, 2) if self._opposite(a, b)]
        for values in itertools.product((False, True), repeat=len(leaves)):
            known = dict(zip(leaves, values, strict=True))
            if any(known[a] and known[b] for a, b in exclusive):
                continue
            if self.value(one, known) and self.value(other, known):
                return False
        return True

    def _opposite(self, one: int, other: int) -> bool:
        """Whether two signals fire by sums of which one is the other's negative, so that they cannot both be large."""
        a, b = self.above(one), self.above(other)
        if a is None or b is None or not a.terms or a.spikes or b.spikes or a.above + b.above < -1:
            return False
        return Counter(self._seen(t, -1) for t in a.terms) == Counter(self._seen(t, 1) for t in b.terms)

    def _seen(self, term: Term, sign: int) -> tuple[str, bool, int, int, frozenset[int]]:
        """A term, times a sign, with those updates behind it that its signal can meet."""
        met = []
        for k in term.updates:
            update = self.updates[k]
            if not self.disjoint(update.post if term.transposed else update.pre, term.signal):
                met.append(k)
        return term.matrix, term.transposed, sign * term.sign, term.signal, frozenset(met)


def sample_form(circuit: Circuit) -> SampleForm:
    """Derive what a circuit computes per sample.

    Raises
    ------
    CircuitError
        With the reason, for a circuit that has no such form: if spikes of a sample reach the next, several inputs meet
        where a gate is closed, a refractory period swallows scheduled spikes, the rule acts on single spikes, or
        the copies of a matrix learn differently. It runs spike by spike all the same.
    """
    check_circuit(circuit)
    return _form(circuit)


@lru_cache(maxsize=64)
def _form(circuit: Circuit) -> SampleForm:
    return _Derivation(circuit).form()


class _Derivation:
    """Runs a circuit on symbols, population by population in the order of phases."""

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.signals: list[Signal] = []
        self.sizes: list[int] = []
        self.fires: dict[tuple[str, int], int] = {}
        self.updates: list[Update] = []
        #: Updates of every projection so far, in its own order.
        self.learned: dict[str, list[int]] = {p.name: [] for p in circuit.projections}
        #: The same, as spikes delivered in the phase to come meet them.
        self.delivered: dict[str, tuple[int, ...]] = {p.name: () for p in circuit.projections}
        self.closed: list[ClosedSum] = []
        #: Weights of the spikes that reach a closed population, by its name and the phase in the period.
        self.stray: dict[tuple[str, int], list[int]] = {}

    def refuse(self, reason: str) -> CircuitError:
        return CircuitError(
            f"circuit {self.circuit.name!r} has no per-sample form: {reason}; run it spike by spike, with one of "
            f"{spike_by_spike('nbp')}"
        )

    def form(self) -> SampleForm:
        circuit = self.circuit
        if circuit.rule is not None and any(any(circuit.rule.coefficients(r)[:2]) for r in (0, 1)):
            raise self.refuse(f"its rule {circuit.rule.dw!r} changes weights where only one end fires")
        self._check_refractory()
        last = circuit.period + 1 + max(c.delay for c in circuit.connections)
        for phase in range(1, last + 1):
            self._close(phase)
            for p in circuit.populations:
                if p.name not in circuit.chain and phase in p.phases:
                    self.fires[p.name, phase] = self._signal(p.name, phase)
            if not circuit.chip_order:
                self._learn(phase)
            self.delivered = {name: tuple(done) for name, done in self.learned.items()}
            if circuit.chip_order:
                self._learn(phase)
        closed = tuple(map(self._with_strays, self.closed))
        form = SampleForm(circuit, tuple(self.signals), tuple(self.sizes), self.fires, tuple(self.updates), closed)
        self._check_copies(form)
        return form

    def _check_refractory(self) -> None:
        for p in self.circuit.populations:
            phases = sorted(self.circuit.reduced(p.name))
            for phase, following in zip(phases, [*phases[1:], phases[0] + self.circuit.period], strict=True):
                if p.name not in self.circuit.chain and following - phase < p.refractory:
                    raise self.refuse(
                        f"{p.name!r} may fire in phases {phase} and {following}, nearer than its refractory period of "
                        f"{p.refractory} steps"
                    )

    # ----------------------------------------------------------- what arrives

    def _sent(self, pre: str, delay: int, post: str, phase: int) -> Iterator[int]:
        """Phases in which spikes of this sample leave to arrive at a population in a phase; refuses those of others."""
        for sent in self.circuit[pre].phases:
            if sent + 1 + delay == phase:
                yield sent
            elif (sent + 1 + delay - phase) % self.circuit.period == 0 and phase in self.circuit[post].phases:
                raise self.refuse(
                    f"spikes of {pre!r} in phase {sent} reach {post!r} in phase {phase} of another sample, in which it "
                    f"may fire"
                )

    def _fixed(self, post: str, phase: int) -> dict[int, int]:
        """The weight of every signal that arrives one-to-one."""
        weights: dict[int, int] = {}
        for c in self.circuit.connections:
            if c.post != post or c.pre in self.circuit.chain:
                continue
            for sent in self._sent(c.pre, c.delay, post, phase):
                signal, weight = self.fires[c.pre, sent], c.weight
                if self.circuit[c.pre].size > self.circuit[post].size:
                    if phase in self.circuit[post].phases:
                        self._check_any(c, post, phase)
                    else:
                        weight *= self.circuit[c.pre].size  # at most, which is what counts at a closed gate
                    signal = self._add(AnyOf(signal), 1)
                weights[signal] = weights.get(signal, 0) + weight
        return {signal: weight for signal, weight in weights.items() if weight}

    def _check_any(self, c: Connection, post: str, phase: int) -> None:
        """Spikes of many must not add up to more than one of them does."""
        if c.weight < 0 or self.circuit.firing_point(post, phase) >= c.weight:
            raise self.refuse(f"spikes of {c.pre!r} add up in {post!r} in phase {phase}, so that their number matters")

    def _terms(self, post: str, phase: int) -> tuple[Term, ...]:
        return tuple(
            Term(p.matrix, p.transposed, p.sign, self.fires[p.pre, sent], self.delivered[p.name])
            for p in self.circuit.projections
            if p.post == post
            for sent in self._sent(p.pre, 0, post, phase)
        )

    # ---------------------------------------------------------------- signals

    def _signal(self, population: str, phase: int) -> int:
        weights = self._fixed(population, phase)
        terms = self._terms(population, phase)
        for s in self.circuit.sources:
            if s.population == population and s.phase == phase:
                given = self._add(Given(s.name), self.circuit[population].size)
                weights[given] = weights.get(given, 0) + s.weight
        if len(weights) > _MOST_INPUTS:
            raise self.refuse(f"{population!r} adds up {len(weights)} signals in phase {phase}")
        needed, below = self.circuit.firing_point(population, phase), self.circuit[population].noise
        size, signals = self.circuit[population].size, tuple(sorted(weights))
        noise = Noise(population, phase, below) if below > 1 else None
        if not terms:
            values = tuple(weights[s] for s in signals)
            table = _table(values, needed)
            if noise is None or table == _table(values, needed + below - 1):
                return self._logic(signals, table, size)
        return self._add(Above(terms, needed, tuple((s, weights[s]) for s in signals), noise), size)

    def _logic(self, signals: tuple[int, ...], table: tuple[bool, ...], size: int) -> int:
        """The signal of weighted spikes against a threshold; a relay is the signal that it relays."""
        signals, table = _without_idle(signals, table)
        if table == (False, True) and self.sizes[signals[0]] == size:
            return signals[0]
        return self._add(Logic(signals, table), size)

    def _add(self, signal: Signal, size: int) -> int:
        for k, there in enumerate(self.signals):
            if there == signal and self.sizes[k] == size:
                return k
        self.signals.append(signal)
        self.sizes.append(size)
        return len(self.signals) - 1

    # --------------------------------------------------- closed gates, learning

    def _close(self, phase: int) -> None:
        """Input to populations that are not scheduled in a phase, of this sample and those before it."""
        circuit = self.circuit
        for p in circuit.populations:
            at = phase % circuit.period
            if p.name in circuit.chain or at in circuit.reduced(p.name):
                continue
            limit = circuit.firing_point(p.name, phase)
            if terms := self._terms(p.name, phase):
                low = -INPUT_HALF_RANGE - circuit.gating(p.name, phase)
                self.closed.append(ClosedSum(p.name, phase, terms, limit, low))
            spikes = self.stray.setdefault((p.name, at), [])
            spikes += self._fixed(p.name, phase).values()
            if sum((c.population, c.phase % circuit.period) == (p.name, at) for c in self.closed) > 1:
                raise self.refuse(f"several inputs reach {p.name!r} together in phase {phase}, in which it is closed")
            if sum(w for w in spikes if w > 0) > limit:
                raise self.refuse(f"{p.name!r} can fire in phase {phase}, which is not in its schedule")

    def _with_strays(self, c: ClosedSum) -> ClosedSum:
        """The limits of a closed gate, less what is relayed to it: as if all that could come came together."""
        spikes = self.stray[c.population, c.phase % self.circuit.period]
        more, less = sum(w for w in spikes if w > 0), sum(w for w in spikes if w < 0)
        return replace(c, limit=c.limit - more, low=c.low - less)

    def _learn(self, phase: int) -> None:
        """What the rule does in a phase, to every projection whose two ends fire."""
        circuit = self.circuit
        if circuit.rule is None:
            return
        for p in circuit.projections:
            ends = [[k for k in circuit[end].phases if (k - phase) % circuit.period == 0] for end in (p.pre, p.post)]
            if not all(ends) or phase not in (*ends[0], *ends[1]):
                continue
            if ends[0] != ends[1]:
                raise self.refuse(
                    f"{p.name!r} learns from {p.pre!r} in phase {ends[0][0]} and {p.post!r} in phase {ends[1][0]}, of "
                    f"different samples"
                )
            self._update(p, phase)

    def _update(self, p: DenseProjection, phase: int) -> None:
        pre, post = self.fires[p.pre, phase], self.fires[p.post, phase]
        change = p.sign * self.circuit.change(phase)
        if p.transposed:
            pre, post = post, pre
        if not change:
            return
        for k, there in enumerate(self.updates):
            same = (there.matrix, there.pre, there.post, there.change) == (p.matrix, pre, post, change)
            if same and k not in self.learned[p.name]:
                self.learned[p.name].append(k)
                return
        self.updates.append(Update(p.matrix, pre, post, change, phase))
        self.learned[p.name].append(len(self.updates) - 1)

    def _check_copies(self, form: SampleForm) -> None:
        """All projections of a matrix must have the same updates; another order must not matter."""
        for matrix in self.circuit.matrices:
            holders = [p for p in self.circuit.projections if p.matrix == matrix.name]
            for p in holders[1:]:
                mine, first = self.learned[p.name], self.learned[holders[0].name]
                both = f"projections {holders[0].name!r} and {p.name!r} of {matrix.name!r}"
                if sorted(mine) != sorted(first):
                    raise self.refuse(f"{both} learn differently")
                for a, b in itertools.combinations(first, 2):
                    if mine.index(a) > mine.index(b) and not _commute(form, self.updates[a], self.updates[b]):
                        raise self.refuse(f"{both} learn the same in another order, which differs at saturation")


def _table(weights: Sequence[int], needed: int) -> tuple[bool, ...]:
    """Whether the sum of the weights whose bits are set is more than what is needed, for every entry."""
    return tuple(sum(w for k, w in enumerate(weights) if entry >> k & 1) > needed for entry in range(1 << len(weights)))


def _commute(form: SampleForm, a: Update, b: Update) -> bool:
    """Whether two updates never change one weight, or both go the same way."""
    return a.change * b.change > 0 or form.disjoint(a.pre, b.pre) or form.disjoint(a.post, b.post)


def _without_idle(signals: Sequence[int], table: tuple[bool, ...]) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """Leave out signals that make no difference."""
    for k in reversed(range(len(signals))):
        low = [entry for entry in range(len(table)) if not entry >> k & 1]
        if all(table[entry] == table[entry | 1 << k] for entry in low):
            return _without_idle([*signals[:k], *signals[k + 1 :]], tuple(table[entry] for entry in low))
    return tuple(signals), table
