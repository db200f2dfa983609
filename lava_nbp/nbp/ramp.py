"""The output read by spikes that come in the order of its sums: a gate that opens step by step, and who fires first.

A circuit that only answers tells which outputs are above their threshold: several, or none, where the sums of two are
near each other. With a ramp the last hidden layer repeats its spikes, phase after phase, and the output's gate opens a
little further in each: an output fires when ``a > top - r * step``. Who fires first has the largest sum, up to a step,
and from then on all others are kept silent. An answer takes as many phases more as there are steps, and one, that is
K + 4 more than steps for K hidden layers; the
populations are, for an output o::

    o_done     one neuron: an output has fired in an earlier phase, and so on to the last
    o_first    outputs that fired in the phase before, when none had
    o_won      remembers them until the last phase: the answer, spikes of one class, or of several that are as large
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lava_nbp.base.checks import check_integer
from lava_nbp.base.fields import settle
from lava_nbp.errors import CircuitError
from lava_nbp.nbp.levels import GATE, GATED_BIAS, RELAY, STRONG_INHIBIT, THRESHOLD

if TYPE_CHECKING:
    from lava_nbp.nbp.circuit import Circuit, Connection, Population

#: Firing points are multiples of this, so that the gates that make them are weights of the chip, and within this.
RAMP_STEP, RAMP_MAX = 64, 7104


@dataclass(frozen=True)
class Ramp:
    """Firing points of the output, one after the other: top, top - step, ... down to bottom.

    Parameters
    ----------
    top, bottom : int
        The first and the last, in weight units: multiples of 64 in -7104 .. 7104.
    step : int
        A multiple of 64 that leads from one to the other.

    Raises
    ------
    CircuitError
        For other values.
    """

    top: int = 3072
    bottom: int = -1024
    step: int = 128

    def __post_init__(self) -> None:
        settle(self, "ramp", CircuitError)
        for name in ("top", "bottom"):
            check_integer(getattr(self, name), -RAMP_MAX, RAMP_MAX, f"ramp: {name}", error=CircuitError)
        check_integer(self.step, RAMP_STEP, 2 * RAMP_MAX, "ramp: step", error=CircuitError)
        rest = (self.top % RAMP_STEP, self.bottom % RAMP_STEP, self.step % RAMP_STEP)
        if any(rest) or self.top < self.bottom or (self.top - self.bottom) % self.step:
            raise CircuitError(
                f"ramp from {self.top} to {self.bottom} in steps of {self.step}: give multiples of {RAMP_STEP}, the "
                f"step a divisor of what lies between"
            )

    @property
    def points(self) -> tuple[int, ...]:
        """What an output must exceed, phase by phase."""
        return tuple(range(self.top, self.bottom - 1, -self.step))


def with_ramp(circuit: Circuit, ramp: Ramp) -> Circuit:
    """A circuit that only answers, its output read by a ramp.

    Raises
    ------
    CircuitError
        If its output answers by anything else than dense input from populations that fire once, or the names of the
        new populations are taken.
    """
    from lava_nbp.nbp.circuit import Connection, Population

    output, first, n = circuit.output, circuit.output_phase, len(ramp.points)
    senders = sorted({p.pre for p in circuit.projections if p.post == output})
    others = [c.pre for c in circuit.reaching(output) if c.pre not in circuit.chain]
    if circuit.readout:
        raise CircuitError(
            f"circuit {circuit.name!r} has the readout {circuit.readout!r} already; leave it or the ramp out"
        )
    once = all(circuit[name].phases == (first - 1,) for name in senders)
    if not senders or others or not once or circuit[output].phases != (first,):
        raise CircuitError(
            f"circuit {circuit.name!r}: a ramp needs an output that fires once, by dense input from populations that "
            f"fire once in the phase before; leave the ramp out"
        )
    done, fresh, won = (f"{output}_{what}" for what in ("done", "first", "won"))
    answered = first + n + 1
    period = max(answered, circuit.period)
    chain = [*circuit.chain, *_names(circuit, period - circuit.period)]
    size = circuit[output].size

    def gates(post: str, weight: int, *phases: int) -> list[Connection]:
        return [Connection(chain[(phase - 1) % period], post, "gate", weight) for phase in phases]

    def made(name: str, neurons: int, *phases: int) -> Population:
        return Population(name, neurons, phases, refractory=1, layer=output)

    steps = range(first, first + n)
    again = range(first, first + n - 1)
    populations = [
        replace(p, phases=(*p.phases, *again), refractory=1)
        if p.name in senders
        else replace(p, phases=tuple(steps), refractory=1)
        if p.name == output
        else p
        for p in circuit.populations
        if p.name not in circuit.chain
    ]
    gating = [replace(circuit[circuit.chain[0]], name=name, phases=(k,)) for k, name in enumerate(chain)]
    links = {c.pre: c for c in circuit.connections if c.role == "chain"}
    ring = [
        replace(links[circuit.chain[0]], pre=name, post=following)
        for name, following in zip(chain, [*chain[1:], chain[0]], strict=True)
    ]
    kept = [c for c in circuit.connections if c.role != "chain" and c.post != output]
    return replace(
        circuit,
        period=period,
        populations=(
            *populations,
            made(done, 1, *(phase + 1 for phase in steps)),
            made(fresh, size, *(phase + 1 for phase in steps)),
            made(won, size, *(phase + 2 for phase in steps)),
            *gating,
        ),
        connections=(
            *ring,
            *kept,
            *(c for name in senders for c in gates(name, GATE, *again)),
            *(Connection(name, name, "relay", RELAY) for name in senders),
            *(
                c
                for phase, point in zip(steps, ramp.points, strict=True)
                for c in gates(output, THRESHOLD - GATED_BIAS - point, phase)
            ),
            *(c for name in (done, fresh) for c in gates(name, GATE, *(phase + 1 for phase in steps))),
            *gates(won, GATE, *(phase + 2 for phase in steps)),
            Connection(output, done, "relay", RELAY),
            Connection(done, done, "relay", RELAY),
            Connection(done, output, "relay", STRONG_INHIBIT),
            Connection(output, fresh, "relay", RELAY),
            Connection(done, fresh, "relay", STRONG_INHIBIT),
            Connection(fresh, won, "relay", RELAY),
            Connection(won, won, "relay", RELAY),
        ),
        readout=won,
        output_phase=answered,
        meanings=(
            *circuit.meanings,
            (first, f"the gate of {output} opens step by step, from {ramp.top} to {ramp.bottom}"),
            (
                answered % period,
                f"{won}: whoever fired first" + (" (of the sample before)" if answered == period else ""),
            ),
        ),
    )


def _names(circuit: Circuit, n: int) -> list[str]:
    """Names of more gating neurons, none of which is taken."""
    taken = {p.name for p in circuit.populations}
    free = (name for k in itertools.count(len(circuit.chain)) if (name := f"g{k:02d}") not in taken)
    return list(itertools.islice(free, n))
