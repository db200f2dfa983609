"""Pieces that circuits are written with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from lava_nbp.base.widths import PLASTIC_WEIGHT_MAX
from lava_nbp.nbp.circuit import Circuit, Connection, DenseProjection, Matrix, Population, Role, Source
from lava_nbp.nbp.levels import FIRE, GATED_BIAS, LINK, RELAY, STRONG_INHIBIT, THRESHOLD
from lava_nbp.nbp.mask import Mask
from lava_nbp.nbp.rule import PAPER_RULE, ThreeFactorRule

#: Input with which a gated population fires.
NEEDED = THRESHOLD - GATED_BIAS


def connect(
    role: Role, weight: int, pairs: Iterable[tuple[str, str]], delays: Sequence[int] = (0,)
) -> list[Connection]:
    """Connections of one role and weight: every pre to every post it names, once per delay."""
    return [
        Connection(pre, post, role, weight, delay)
        for pres, posts in pairs
        for pre in pres.split()
        for post in posts.split()
        for delay in delays
    ]


def ring(n: int) -> tuple[list[Population], list[Connection]]:
    """A chain of n gating neurons, g00 and so on, each with a link to the next."""
    names = [f"g{k:02d}" for k in range(n)]
    populations = [Population(name, 1, (k,), bias=0, refractory=1) for k, name in enumerate(names)]
    links = [Connection(name, names[(k + 1) % n], "chain", LINK) for k, name in enumerate(names)]
    return populations, links


class Builder:
    """Collects the populations and connections of a circuit with layers x, h1, ... o that learns.

    Attributes
    ----------
    sizes, names : tuple
        Neurons and populations of the layers.
    last : int
        The output's layer: with K hidden ones, K + 1.
    period : int
        Phases.
    masks : tuple of Mask or None
        Which synapses each matrix has; None: all.
    """

    def __init__(self, sizes: tuple[int, ...], period: int, masks: tuple[Mask | None, ...]) -> None:
        self.sizes, self.period, self.masks = sizes, period, masks
        self.last = len(sizes) - 1
        self.names = ("x", *(f"h{k}" for k in range(1, self.last)), "o")
        self.populations: list[Population] = []
        self.connections: list[Connection] = []
        self.projections: list[DenseProjection] = []
        self.meanings: dict[int, str] = {}

    def add(self, name: str, layer: int, phases: Iterable[int], noise: int = 0) -> None:
        """A population of a layer's units."""
        of = self.names[layer]
        once = tuple(sorted(set(phases)))
        self.populations.append(
            Population(name, self.sizes[layer], once, refractory=1, layer="" if name == of else of, noise=noise)
        )

    def gate(self, names: str, phase: int, fire: int = FIRE) -> None:
        """The chain opens populations in a phase: they fire above so much other input."""
        self.connections += connect("gate", NEEDED - fire, [(f"g{(phase - 1) % self.period:02d}", names)])

    def relay(self, pre: str, sent: int, posts: str, arrives: int, weight: int = RELAY) -> None:
        """What is fired in one phase arrives in a later one."""
        self.connections += connect("relay", weight, [(pre, posts)], (arrives - sent - 1,))

    def open_by(self, pre: str, sent: int, posts: str, arrives: int, fire: int = FIRE) -> None:
        """The spikes of a population, and not the chain, open another in a phase."""
        self.connections += connect("gate", NEEDED - fire, [(pre, posts)], (arrives - sent - 1,))

    def mean(self, phase: int, text: str) -> None:
        """Say what a phase is for."""
        there = self.meanings.get(phase)
        self.meanings[phase] = f"{there}; {text}" if there else text

    def silence(self) -> None:
        """Keep silent whom dense input reaches in a phase in which it is not to fire.

        Two synapses do that where one could be overcome: together they are half of what the register holds, so that
        sums of either sign have as much room.
        """
        phases = {p.name: p.phases for p in self.populations}
        found: dict[tuple[str, int], int] = {}
        for q in self.projections:
            open_ = {phase % self.period for phase in phases[q.post]}
            times = 2 if self.heard(q) * PLASTIC_WEIGHT_MAX > NEEDED - STRONG_INHIBIT else 1
            for k in phases[q.pre]:
                place = q.post, (k + 1) % self.period
                if place[1] not in open_:
                    found[place] = max(times, found.get(place, 0))
        role: Role = "inhibit"
        for (post, phase), times in sorted(found.items(), key=lambda each: (each[0][1], each[0][0])):
            pre = f"g{(phase - 1) % self.period:02d}"
            self.connections += connect(role, STRONG_INHIBIT, [(pre, post)]) * times

    def heard(self, q: DenseProjection) -> int:
        """How many neurons a neuron hears by a projection, at most."""
        k = int(q.matrix[1:])
        mask, shape = self.masks[k - 1], (self.sizes[k - 1], self.sizes[k])
        if mask is None:
            return shape[1 if q.transposed else 0]
        return int(mask.matrix(shape).sum(axis=1 if q.transposed else 0).max())

    def finish(self, name: str, output_phase: int, reward_phases: frozenset[int], **options: Any) -> Circuit:
        """The circuit: what was collected, kept silent where it must be, with a chain and the paper's rule."""
        self.silence()
        chain, links = ring(self.period)
        return Circuit(
            name=name,
            forward=self.names,
            period=self.period,
            populations=(*self.populations, *chain),
            connections=(*links, *self.connections),
            matrices=tuple(
                Matrix(f"W{k}", shape, mask)
                for k, (shape, mask) in enumerate(zip(pairwise(self.sizes), self.masks, strict=True), 1)
            ),
            projections=tuple(self.projections),
            sources=(Source("x", "x", 2), Source("t", "t", output_phase)),
            output_phase=output_phase,
            rule=ThreeFactorRule(PAPER_RULE),
            reward_phases=reward_phases,
            meanings=tuple(sorted(self.meanings.items())),
            **options,
        )
