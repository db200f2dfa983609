"""The circuit that only answers, cut out of one that learns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lava_nbp.errors import CircuitError
from lava_nbp.nbp.circuit import Circuit, Connection, DenseProjection, Population, Source
from lava_nbp.nbp.draws import ALWAYS

#: A population in one of its phases.
_Event = tuple[str, int]


def answering_circuit(circuit: Circuit) -> Circuit:
    """Cut out of a circuit what the output's answer depends on: the same neurons, gates and weights in fewer phases.

    Starting from the output in its phase, everything whose spikes arrive there is kept, with what those need, and so
    on to the sources. The period becomes as short as the schedule allows, the weights are fixed, and there is no
    noise: neurons that a random gate opens in training are all open.

    Raises
    ------
    CircuitError
        If the answer depends on spikes of the sample before, or on no source, or not on all layers.
    """
    circuit = without_draws(circuit)
    needed = _needed(circuit)
    populations = {name for name, _ in needed}
    for name in circuit.forward:
        if name not in populations:
            raise CircuitError(
                f"circuit {circuit.name!r}: its answer, {circuit.answers!r} in phase {circuit.output_phase}, does not "
                f"depend on its layer {name!r}; train with it, but it cannot infer alone"
            )
    if not any((s.population, s.phase) in needed for s in circuit.sources):
        raise CircuitError(
            f"circuit {circuit.name!r}: its answer, {circuit.answers!r} in phase {circuit.output_phase}, depends on no "
            f"source; train with it, but it cannot infer alone"
        )
    for period in range(circuit.output_phase, circuit.period + 1):
        if _undisturbed(circuit, needed, period):
            return _cut(circuit, needed, period)
    raise CircuitError(
        f"circuit {circuit.name!r}: no period up to {circuit.period} keeps its answers apart; leave more phases "
        f"between samples"
    )


def without_draws(circuit: Circuit) -> Circuit:
    """A circuit without noise; whom a neuron opens that fires whenever its noise lets it, the chain opens then.

    Raises
    ------
    CircuitError
        If such neurons do anything else than open others: no population may fire without input.
    """
    if not any(p.noise for p in circuit.populations):
        return circuit
    drawn = {
        p.name
        for p in circuit.populations
        if p.noise > 1 and all(circuit.firing_point(p.name, phase) < 0 for phase in p.phases)
    }
    for name in drawn:
        if not _only_opens(circuit, name):
            raise CircuitError(
                f"circuit {circuit.name!r}: population {name!r} fires whenever its noise lets it, and does more than "
                f"open others that have no noise, so that the chain cannot stand in for it; train with it, but it "
                f"cannot infer alone"
            )
    connections = []
    for c in circuit.connections:
        if c.pre not in drawn:
            connections += [c] if c.post not in drawn else []
            continue
        for phase in circuit[c.pre].phases:
            connections.append(replace(c, pre=circuit.chain[(phase + c.delay) % circuit.period], delay=0))
    populations = tuple(replace(p, noise=0) for p in circuit.populations if p.name not in drawn)
    return replace(circuit, populations=populations, connections=tuple(connections))


def _only_opens(circuit: Circuit, name: str) -> bool:
    """Whether the chain can do what a population does that always fires: it opens others, and hears nothing else."""
    sent = [c for c in circuit.connections if c.pre == name]
    heard = [c for c in circuit.reaching(name) if c.pre not in circuit.chain]
    return (
        not any(name in (p.pre, p.post) for p in circuit.projections)
        and not any(s.population == name for s in circuit.sources)
        and not heard
        and all(c.role == "gate" and circuit[c.post].noise <= 1 for c in sent)
        and name not in (*circuit.forward, circuit.answers)
    )


def _needed(circuit: Circuit) -> frozenset[_Event]:
    found: set[_Event] = set()
    open_: list[_Event] = [(circuit.answers, circuit.output_phase)]
    while open_:
        event = open_.pop()
        if event in found:
            continue
        found.add(event)
        if event[0] not in circuit.chain:
            open_ += _causes(circuit, *event)
    return frozenset(found)


def _causes(circuit: Circuit, post: str, phase: int) -> Iterator[_Event]:
    """What sends spikes that arrive at a population in a phase."""
    for pre, delay in _inputs(circuit, post):
        for sent in circuit[pre].phases:
            if sent + 1 + delay == phase:
                yield pre, sent
            elif (sent + 1 + delay - phase) % circuit.period == 0:
                raise CircuitError(
                    f"circuit {circuit.name!r}: its answer depends on the spikes of {pre!r} in phase {sent} of the "
                    f"sample before, which reach {post!r} in phase {phase}; train with it, but it cannot infer alone"
                )


def _inputs(circuit: Circuit, post: str) -> Iterator[tuple[str, int]]:
    for c in circuit.connections:
        if c.post == post and c.role != "inhibit":
            yield c.pre, c.delay
    for p in circuit.projections:
        if p.post == post:
            yield p.pre, 0


def _undisturbed(circuit: Circuit, needed: frozenset[_Event], period: int) -> bool:
    """Whether in this period nothing but what is needed arrives in a phase in which a kept population may fire."""
    names = {name for name, _ in needed}
    for post in names - set(circuit.chain):
        due = {phase for name, phase in needed if name == post}
        if len({phase % period for phase in due}) < len(due) or max(due) > period:
            return False
        for pre, delay in _inputs(circuit, post):
            sent = {phase for name, phase in needed if name == pre}
            stray = {phase + 1 + delay for phase in sent} - due
            if pre not in circuit.chain and {k % period for k in stray} & {k % period for k in due}:
                return False
    return all(phase < period for name, phase in needed if name in circuit.chain)


def _cut(circuit: Circuit, needed: frozenset[_Event], period: int) -> Circuit:
    phases = {name: tuple(sorted(phase for n, phase in needed if n == name)) for name, _ in needed}
    chain = circuit.chain[:period]
    populations = [
        replace(p, phases=phases[p.name]) for p in circuit.populations if p.name in phases and p.name not in chain
    ]
    gating: list[Population] = [circuit[name] for name in chain]
    links = {c.pre: c for c in circuit.connections if c.role == "chain"}
    ring = [replace(links[name], post=chain[(k + 1) % period]) for k, name in enumerate(chain)]

    def reaches(c: Connection | DenseProjection, delay: int) -> bool:
        return any((c.post, phase + 1 + delay) in needed for phase in phases.get(c.pre, ()))

    kept = [
        c
        for c in circuit.connections
        if c.role not in ("chain", "inhibit") and c.post in phases and reaches(c, c.delay)
    ]
    projections = tuple(p for p in circuit.projections if p.post in phases and reaches(p, 0))
    sources: tuple[Source, ...] = tuple(s for s in circuit.sources if (s.population, s.phase) in needed)
    return replace(
        circuit,
        name=f"{circuit.name}-inference",
        period=period,
        populations=(*populations, *gating),
        connections=(*ring, *kept),
        matrices=tuple(m for m in circuit.matrices if m.name in {p.matrix for p in projections}),
        projections=projections,
        sources=sources,
        rule=None,
        reward_phases=frozenset(),
        meanings=tuple((phase, text) for phase, text in circuit.meanings if 0 < phase < period),
        chip_order=False,
        update_probability=ALWAYS,
        ramp=None,
        seed=0,
    )
