"""A circuit as data: what is connected to what, who may fire when, what learns and by which rule.

A circuit is a value, and the argument of everything: executors, the Lava Processes, traces, plans, plots, the phase
player and exported files are all derived from it. To run another circuit, write another value; the papers' are in
`lava_nbp.nbp.paper`. The neuron is that of `lava_nbp.nbp.levels`.

A *gated* population has a negative bias, so that its input alone cannot make it fire; a gate adds most of what is
missing. Time is counted in *phases*: steps since the first gating neuron fired. A circuit repeats every `period`
phases, one sample per period; phase `period` of a sample is phase 0 of the next.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from lava_nbp.base.checks import named, shown
from lava_nbp.base.fields import settle
from lava_nbp.base.html import html_table
from lava_nbp.base.integers import INPUT_HALF_RANGE, Int16Array
from lava_nbp.base.widths import PLASTIC_WEIGHT_MAX
from lava_nbp.errors import CircuitError, InputError
from lava_nbp.nbp import circuit_checks
from lava_nbp.nbp.draws import ALWAYS, Decay
from lava_nbp.nbp.levels import GATED_BIAS, RELAY, THRESHOLD
from lava_nbp.nbp.mask import Mask
from lava_nbp.nbp.ramp import Ramp, with_ramp
from lava_nbp.nbp.rule import ThreeFactorRule

Role = Literal["gate", "relay", "inhibit", "chain"]
#: Head of the phase table.
TABLE_HEAD = ("phase", "chain", "fires", "inhibited", "learns", "meaning")


@dataclass(frozen=True)
class Population:
    """Neurons that share parameters and a schedule.

    Parameters
    ----------
    name : str
        Letters, digits and underscores; the paper's symbols.
    size : int
        Number of neurons.
    phases : tuple of int
        Phases, counted from the start of the population's own sample, in which it
        may fire; phase `period` is phase 0 of the next sample.
    bias : int
        Constant input in weight units; negative for gated populations.
    refractory : int
        Steps from a spike to the next possible one; 1 means none is skipped.
    layer : str
        The layer whose units it belongs to: a population of `Circuit.forward`, which may leave it out. Gating
        neurons have none.
    noise : int
        In every step the threshold of each neuron is raised by an integer in 0 .. noise - 1, all equally
        likely, see `lava_nbp.nbp.draws`; 0 or 1: by none. What only just fires with it, fires at random.
    """

    name: str
    size: int
    phases: tuple[int, ...]
    bias: int = GATED_BIAS
    refractory: int = 2
    layer: str = ""
    noise: int = 0

    def __post_init__(self) -> None:
        settle(self, f"population {shown(self.name)}", CircuitError)

    @property
    def gated(self) -> bool:
        """Whether the population needs a gate to fire."""
        return self.bias < 0


@dataclass(frozen=True)
class Connection:
    """Fixed synapses between two populations: one-to-one, from one neuron to all, or from all to one.

    A spike of `pre` in step t adds `weight` to the input of `post` in step
    t + 1 + `delay`. The pattern follows from the sizes: a single neuron reaches
    every neuron of `post`, every neuron reaches a single one, and equal sizes are connected one-to-one.
    """

    pre: str
    post: str
    role: Role
    weight: int
    delay: int = 0

    def __post_init__(self) -> None:
        settle(self, f"connection {named(self.pre)} -> {named(self.post)}", CircuitError)


@dataclass(frozen=True)
class Matrix:
    """A weight matrix of the network, shape (pre, post), that projections hold copies of.

    With a mask only the synapses that it has exist: they alone are held, learn, and are placed on a chip. As an array
    such a matrix is 0 elsewhere.
    """

    name: str
    shape: tuple[int, int]
    mask: Mask | None = None

    @property
    def n_synapses(self) -> int:
        """How many synapses a projection of it has."""
        return math.prod(self.shape) if self.mask is None else self.mask.n_synapses

    def __post_init__(self) -> None:
        settle(self, f"matrix {shown(self.name)}", CircuitError)


@dataclass(frozen=True)
class DenseProjection:
    """All-to-all 8-bit synapses that hold their own copy of a matrix, and learn if the circuit does.

    Its weights, shape (size of pre, size of post), start as `sign` times the
    matrix, transposed if `transposed`; the learning rule is the same for all.
    """

    name: str
    pre: str
    post: str
    matrix: str
    transposed: bool = False
    sign: Literal[1, -1] = 1

    def __post_init__(self) -> None:
        settle(self, f"projection {shown(self.name)}", CircuitError)

    def copy_of(self, matrix: Int16Array) -> Int16Array:
        """What this projection holds, (pre, post), of a matrix."""
        copy: Int16Array = (self.sign * (matrix.T if self.transposed else matrix)).astype(np.int16)
        return copy


@dataclass(frozen=True)
class Source:
    """Spikes from outside: a sample's vector enters one-to-one, so that `population` can fire in `phase`.

    The spikes leave the source one phase earlier; transport takes a step.
    """

    name: str
    population: str
    phase: int
    weight: int = RELAY

    def __post_init__(self) -> None:
        settle(self, f"source {shown(self.name)}", CircuitError)


@dataclass(frozen=True)
class Circuit:
    """A validated circuit: populations, connections, gates, plastic projections, reward phases.

    Parameters
    ----------
    name : str
        For messages and tables.
    forward : tuple of str
        The populations that are the network's layers, from the input to the output; the output's spikes in
        `output_phase` are the answer.
    period : int
        Steps per sample; also the length of the chain of gating neurons.
    populations, connections, matrices, projections, sources
        See the classes of this module. The gating neurons are the populations
        that `chain` connections link, in a ring.
    output_phase : int
        Phase of the spikes that are the network's answer: those of the last layer, or of `readout`.
    rule : ThreeFactorRule, optional
        By which every projection learns; without one the weights are fixed.
    reward_phases : frozenset of int
        Phases in which the third factor r is 1; in all others it is 0.
    meanings : tuple of (int, str)
        What happens in a phase, for the table.
    chip_order : bool
        What spikes of a step are delivered with. False: with the weights as that step's learning
        changed them. True: with those from before, as Loihi (deliver, then learn: Davies et al. 2018)
        and Lava's LearningDense do.
    update_probability : Decay
        With which a plastic synapse follows the rule, where it asks for a change; 1 is always. Expected changes of
        less than a weight's step are so: the chip's learning engine rounds at random.
    readout : str
        A population as large as the last layer, whose spikes in `output_phase` are the answer instead; "": there is
        none.
    ramp : Ramp, optional
        How the circuit that only answers, cut out of this one, reads its output; see `lava_nbp.nbp.ramp`.
    seed : int
        Of the noise and of the rounding, which follow from it and the epoch: see `lava_nbp.nbp.draws`.
    per_class : int
        Neurons of the output for each class, k: those of class c are k c .. k c + k - 1. The class with the most
        spikes is the answer.

    Raises
    ------
    CircuitError
        If the circuit cannot work: names the population, the phase and the cure.
    """

    name: str
    forward: tuple[str, ...]
    period: int
    populations: tuple[Population, ...]
    connections: tuple[Connection, ...]
    matrices: tuple[Matrix, ...]
    projections: tuple[DenseProjection, ...]
    sources: tuple[Source, ...]
    output_phase: int
    rule: ThreeFactorRule | None = None
    reward_phases: frozenset[int] = frozenset()
    meanings: tuple[tuple[int, str], ...] = ()
    chip_order: bool = False
    update_probability: Decay = ALWAYS
    readout: str = ""
    ramp: Ramp | None = None
    seed: int = 0
    per_class: int = 1

    def __post_init__(self) -> None:
        settle(self, f"circuit {shown(self.name)}", CircuitError)
        circuit_checks.check(self)

    # ------------------------------------------------------------ look-ups

    def __getitem__(self, name: str) -> Population:
        try:
            return self._by_name[name]
        except (KeyError, TypeError):
            raise CircuitError(
                f"circuit {self.name!r} has no population {shown(name)}; it has {', '.join(self._by_name) or 'none'}"
            ) from None

    @cached_property
    def _by_name(self) -> dict[str, Population]:
        return {p.name: p for p in self.populations}

    @cached_property
    def matrix_shapes(self) -> dict[str, tuple[int, int]]:
        """Shape (pre, post) of each weight matrix, by name."""
        return {m.name: m.shape for m in self.matrices}

    def matrix(self, name: str) -> Matrix:
        """The matrix of a name."""
        return self._matrices[name]

    @cached_property
    def _matrices(self) -> dict[str, Matrix]:
        return {m.name: m for m in self.matrices}

    def mask_of(self, projection: DenseProjection) -> Mask | None:
        """Which synapses (pre, post) a projection has, if not all."""
        return self._masks[projection.name]

    @cached_property
    def _masks(self) -> dict[str, Mask | None]:
        turned: dict[str, Mask] = {}
        found: dict[str, Mask | None] = {}
        for p in self.projections:
            matrix = self._matrices[p.matrix]
            mask = matrix.mask
            if mask is not None and p.transposed:
                mask = turned.setdefault(p.matrix, mask.transposed(matrix.shape))
            found[p.name] = mask
        return found

    def size_of(self, projection: DenseProjection) -> int:
        """Synapses of a projection."""
        return self._matrices[projection.matrix].n_synapses

    @property
    def output(self) -> str:
        """The last layer."""
        return self.forward[-1]

    @property
    def answers(self) -> str:
        """The population whose spikes in `output_phase` are the answer: the last layer, or what reads it."""
        return self.readout or self.output

    @property
    def sum_phase(self) -> int:
        """Phase in which the last layer's input is its pre-activation: that of the answer, if nothing reads it."""
        return min(self[self.output].phases) if self.readout else self.output_phase

    @cached_property
    def layers(self) -> tuple[int, ...]:
        """Neurons per layer, from the input to the output."""
        return tuple(self[name].size for name in self.forward)

    @property
    def n_classes(self) -> int:
        """Classes that the output tells apart."""
        return self.layers[-1] // self.per_class

    def layer_of(self, population: str) -> str:
        """The layer, a name of `forward`, whose units a population belongs to; "" for gating neurons."""
        return self[population].layer or (population if population in self.forward else "")

    def brings_targets(self, source: Source) -> bool:
        """Whether a source reaches the output's layer: what it brings of a labelled sample is the one-hot target."""
        return self.layer_of(source.population) == self.output

    @property
    def learning(self) -> bool:
        """Whether the projections are plastic."""
        return self.rule is not None

    def change(self, phase: int) -> int:
        """What a plastic weight changes by, before saturation, if both its ends fire in a phase."""
        return self.rule.change(1, 1, self.reward(phase)) if self.rule is not None else 0

    @cached_property
    def chain(self) -> tuple[str, ...]:
        """The gating neurons, in the order in which they fire."""
        names = {c.pre for c in self.connections if c.role == "chain"}
        return tuple(sorted(names, key=lambda name: self[name].phases))

    @property
    def n_neurons(self) -> int:
        """Neurons of all populations."""
        return sum(p.size for p in self.populations)

    @property
    def n_dense_synapses(self) -> int:
        """Synapses of the dense projections (plastic, if the circuit learns)."""
        return sum(map(self.size_of, self.projections))

    def shape_of(self, projection: DenseProjection) -> tuple[int, int]:
        """Shape (pre, post) of the weights that a projection holds."""
        return self[projection.pre].size, self[projection.post].size

    @property
    def n_synapses(self) -> int:
        """All synapses, those from the sources and the one that starts the chain included."""
        fixed = sum(max(self[c.pre].size, self[c.post].size) for c in self.connections)
        return self.n_dense_synapses + fixed + sum(self[s.population].size for s in self.sources) + 1

    def first_neuron(self, population: str) -> int:
        """Place of a population's first neuron in the circuit, its populations one after the other."""
        return self._first[self[population].name]

    @cached_property
    def _first(self) -> dict[str, int]:
        ends = itertools.accumulate((p.size for p in self.populations), initial=0)
        return {p.name: first for p, first in zip(self.populations, ends, strict=False)}

    def fires(self, phase: int) -> tuple[str, ...]:
        """Populations scheduled in a phase (taken modulo the period)."""
        return tuple(p.name for p in self.populations if phase % self.period in self.reduced(p.name))

    def reduced(self, population: str) -> frozenset[int]:
        """Phases in which a population may fire, modulo the period."""
        return self._reduced[self[population].name]

    @cached_property
    def _reduced(self) -> dict[str, frozenset[int]]:
        return {p.name: frozenset(phase % self.period for phase in p.phases) for p in self.populations}

    def reaching(self, post: str) -> tuple[Connection, ...]:
        """Fixed connections that lead to a population."""
        return self._reaching.get(post, ())

    @cached_property
    def _reaching(self) -> dict[str, tuple[Connection, ...]]:
        found: dict[str, list[Connection]] = {}
        for c in self.connections:
            found.setdefault(c.post, []).append(c)
        return {post: tuple(reaching) for post, reaching in found.items()}

    def arrivals(self, post: str, *roles: Role) -> dict[int, tuple[Connection, ...]]:
        """Fixed connections, of the given roles if any are, by the phase (modulo the period) of their arrival."""
        found: dict[int, tuple[Connection, ...]] = {}
        for c in self.reaching(post):
            if not roles or c.role in roles:
                for phase in self[c.pre].phases:
                    arrival = (phase + 1 + c.delay) % self.period
                    found[arrival] = (*found.get(arrival, ()), c)
        return found

    def learning_pairs(self, phase: int) -> tuple[DenseProjection, ...]:
        """Plastic projections on which the rule can act in a phase: those whose ends, as it asks, are scheduled."""
        if self.rule is None:
            return ()
        firing = set(self.fires(phase))
        pre, post, both = self.rule.coefficients(self.reward(phase))
        return tuple(
            p
            for p in self.projections
            if (both and {p.pre, p.post} <= firing) or (pre and p.pre in firing) or (post and p.post in firing)
        )

    def reward(self, phase: int) -> int:
        """The third factor r of a phase."""
        return int(phase % self.period in self.reward_phases)

    # ------------------------------------------------- where it could go wrong

    def gating(self, population: str, phase: int) -> int:
        """What gating neurons add to the input of a population in a phase, in every sample, whatever their role."""
        arriving = self.arrivals(population).get(phase % self.period, ())
        return sum(c.weight for c in arriving if c.pre in self.chain)

    def firing_point(self, population: str, phase: int) -> int:
        """Input of others than gating neurons above which a population fires in a phase."""
        return THRESHOLD - self[population].bias - self.gating(population, phase)

    def breach_bounds(self) -> tuple[BreachBound, ...]:
        """Where dense input could make a silent population fire, in the worst case.

        A *gate breach* is a spike outside the schedule; after one, the circuit no
        longer computes the per-sample form. Worst case: every presynaptic neuron
        fires into a weight of 254, or of -254, so that the sum leaves the register together with what inhibits;
        and whatever may be relayed to the population in that phase comes, too. Engines that run spike by spike count
        the breaches that happen, the per-sample ones those that could with the sums that they see.
        """
        bounds = []
        for projection in self.projections:
            pre, post = self[projection.pre], self[projection.post]
            for phase in sorted({(p + 1) % self.period for p in pre.phases} - self.reduced(post.name)):
                relayed = self._relayed(post.name, phase)
                needed = self.firing_point(post.name, phase) - sum(w for w in relayed if w > 0)
                least = -INPUT_HALF_RANGE - self.gating(post.name, phase) - sum(w for w in relayed if w < 0)
                mask = self.mask_of(projection)
                most = pre.size if mask is None else int(mask.matrix(self.shape_of(projection)).sum(axis=0).max())
                worst = most * PLASTIC_WEIGHT_MAX
                if worst > needed or -worst <= least:
                    bounds.append(BreachBound(projection.name, post.name, phase, needed, worst, least))
        return tuple(bounds)

    def _relayed(self, population: str, phase: int) -> list[int]:
        """Weights of all spikes of others than gating neurons that may reach a neuron by fixed synapses in a phase."""
        arriving = self.arrivals(population).get(phase % self.period, ())
        fan = {c: max(self[c.pre].size // self[c.post].size, 1) for c in arriving}
        return [c.weight * fan[c] for c in arriving if c.pre not in self.chain]

    # ------------------------------------------------------ other circuits of it

    @cached_property
    def answering(self) -> Circuit:
        """The circuit that only answers, cut out of this one; see `lava_nbp.nbp.answering`."""
        from lava_nbp.nbp.answering import answering_circuit, without_draws

        if self.rule is None and self.ramp is None:
            return without_draws(self)
        cut = answering_circuit(self)
        return cut if self.ramp is None else with_ramp(cut, self.ramp)

    @property
    def random(self) -> bool:
        """Whether anything in it is drawn: noise, or which changes are made."""
        return not self.update_probability.certain or any(p.noise > 1 for p in self.populations)

    def with_seed(self, seed: int) -> Circuit:
        """The same circuit with other draws; itself, if nothing is drawn."""
        return replace(self, seed=seed) if self.random else self

    def in_chip_order(self) -> Circuit:
        """The same circuit, its spikes delivered before a step's learning."""
        return self if self.chip_order else replace(self, chip_order=True)

    # ------------------------------------------------------------- rendering

    def table(self, style: Literal["text", "markdown"] = "text") -> str:
        """The phase table: per phase what fires, what is kept silent, what learns, and what it means."""
        rows = [TABLE_HEAD, *self.table_rows()]
        if style == "markdown":
            lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
            return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([lines[0], "  ".join("-" * w for w in widths), *lines[1:]])

    def _repr_html_(self) -> str:
        """The phase table, in notebooks."""
        return html_table(f"{self.name} {'-'.join(map(str, self.layers))}", TABLE_HEAD, self.table_rows())

    def table_rows(self) -> Iterator[tuple[str, ...]]:
        """The rows of `table`, a cell per entry of `TABLE_HEAD`."""
        meanings = dict(self.meanings)
        inhibited = {p.name: self.arrivals(p.name, "inhibit") for p in self.populations}
        for phase in range(self.period):
            pairs = self.learning_pairs(phase)
            yield (
                str(phase),
                next((g for g in self.chain if phase in self.reduced(g)), ""),
                ", ".join(name for name in self.fires(phase) if name not in self.chain),
                ", ".join(name for name, phases in inhibited.items() if phase in phases),
                f"{', '.join(p.name for p in pairs)} ({self.change_text(phase)})" if pairs else "",
                meanings.get(phase, ""),
            )

    def change_text(self, phase: int) -> str:
        """What a weight changes by in a phase, for people: "+2"; "-4 x0" where the presynaptic spike alone counts."""
        if self.rule is None:
            return ""
        pre, post, both = self.rule.coefficients(self.reward(phase))
        if not pre and not post:
            return f"{both:+d}"
        terms = ((pre, "x0"), (post, "y0"), (both, "x0 y0"))
        return " ".join(f"{value:+d} {what}" for value, what in terms if value)


def check_circuit(value: Any) -> None:
    """Raise InputError for anything but a circuit, layer sizes for instance."""
    if not isinstance(value, Circuit):
        raise InputError(
            f"circuit is {shown(value)}, but must be a Circuit: make one with training_circuit(n_in, n_hidden, n_out), "
            f"make_circuit or load_circuit"
        )


@dataclass(frozen=True)
class BreachBound:
    """A projection that could make `population` fire in a silent `phase`.

    `worst`, or its negative, is more than what is `needed`, or `least` or less, where the register wraps.
    """

    projection: str
    population: str
    phase: int
    needed: int
    worst: int
    least: int

    def __str__(self) -> str:
        more = f"more than {self.needed}" if self.worst > self.needed else ""
        less = f"{self.least} or less" if -self.worst <= self.least else ""
        return (
            f"{self.population} in phase {self.phase}: fires if {self.projection} delivers "
            f"{' or '.join(filter(None, (more, less)))} (worst case {self.worst})"
        )
