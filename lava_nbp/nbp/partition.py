"""A circuit cut into the parts of the process library: who belongs together, and what each part needs.

`partition` walks a circuit's data. What always runs together becomes one part: the
three copies of a pre-activation with their derivative box, the two error populations.
A population that fits no pattern is a part of its own, so that every circuit can be
built from parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from lava_nbp.errors import CircuitError
from lava_nbp.nbp.circuit import Circuit, Connection, DenseProjection, Source
from lava_nbp.nbp.gated_group import Gate, Neurons, Synapses
from lava_nbp.nbp.hebbian import Mirror
from lava_nbp.nbp.levels import (
    ANTI_RELAY,
    FIRE,
    FIRE_HIGH,
    FIRE_LOW,
    GATE,
    GATED_BIAS,
    RELAY,
    THRESHOLD,
)

Kind = Literal["lif", "memory", "surrogate", "error"]


@dataclass(frozen=True)
class Part:
    """Populations of a circuit that make one Process.

    Attributes
    ----------
    kind : str
        Which Process: GatedLIF, RelayMemory, SurrogateReLU or ErrorNeurons.
    members : mapping
        The circuit's population by its name within the part ("s", "lo", ...).
    """

    kind: Kind
    members: Mapping[str, str]


@dataclass(frozen=True)
class Plastic:
    """A matrix of a circuit and all projections that hold it: one HebbianDense.

    Attributes
    ----------
    matrix : DenseProjection
        The projection that holds it as it is.
    mirrors : tuple of Mirror
        The others, their populations named as the Process does.
    members : mapping
        The circuit's population by its name in the Process ("s", "post", ...).
    """

    matrix: DenseProjection
    mirrors: tuple[Mirror, ...]
    members: Mapping[str, str]


def partition(circuit: Circuit) -> tuple[Part, ...]:
    """Cut the gated populations of a circuit into parts."""
    parts = [*_error_pairs(circuit), *_surrogates(circuit)]
    grouped = {name for part in parts for name in part.members.values()}
    for p in circuit.populations:
        if p.name not in grouped and p.gated:
            parts.append(Part("memory" if _is_memory(circuit, p.name) else "lif", {"s": p.name}))
    return tuple(parts)


def plastic_parts(circuit: Circuit) -> tuple[Plastic, ...]:
    """The dense projections of a circuit, by matrix."""
    found = []
    for matrix in circuit.matrices:
        projections = [p for p in circuit.projections if p.matrix == matrix.name]
        base = next(p for p in projections if not p.transposed and p.sign == 1)
        members = {"s": base.pre, "post": base.post}
        names = {base.post: "post", base.pre: "s"}
        for end in (end for p in projections for end in (p.pre, p.post)):
            if end not in names:
                names[end] = _free(end, {*members, "third"})
                members[names[end]] = end
        mirrors = tuple(
            Mirror(p.name, names[p.pre], names[p.post], p.transposed, p.sign) for p in projections if p is not base
        )
        found.append(Plastic(base, mirrors, members))
    return tuple(found)


def neurons_of(circuit: Circuit, part: Part) -> dict[str, Neurons]:
    """The populations of a part, gated by the chain, by their name within it."""
    found = {}
    for name, population in part.members.items():
        p = circuit[population]
        gates = [
            Gate(circuit.chain.index(c.pre), c.weight)
            for c in circuit.reaching(population)
            if c.pre in circuit.chain and c.role != "chain"
        ]
        schedule = tuple(sorted((phase - 1) % circuit.period for phase in circuit.reduced(population)))
        found[name] = Neurons(name, tuple(gates), p.bias, THRESHOLD, p.refractory, schedule, p.noise)
    return found


def inputs_of(circuit: Circuit, part: Part) -> dict[str, str]:
    """The population that every spike port of a part listens to; those of sources are in `source_port`."""
    if part.kind == "error":
        lo, t, s, hi = _error_inputs(circuit, part.members["pos"], part.members["neg"])
        return {"lo_in": lo, "t_in": t, "s_in": s, "hi_in": hi}
    reaching = (c.pre for name in part.members.values() for c in _one_to_one(circuit, name))
    return {_port(part, pre): pre for pre in reaching if pre not in part.members.values()}


def synapses_of(circuit: Circuit, part: Part) -> tuple[Synapses, ...]:
    """Fixed synapses that lead to a part; spike ports are named after the population or source they come from."""
    inside = {population: name for name, population in part.members.items()}
    found = []
    for name, population in part.members.items():
        for c in _one_to_one(circuit, population):
            role: Literal["relay", "gate"] = "gate" if c.role == "gate" else "relay"
            pre = circuit[c.pre]
            senders = pre.size if pre.size != circuit[population].size else 0
            found.append(Synapses(inside.get(c.pre) or _port(part, c.pre), name, c.weight, c.delay, role, senders))
        for s in circuit.sources:
            if s.population == population:
                found.append(Synapses(source_port(s), name, s.weight))
    return tuple(found)


def source_port(source: Source) -> str:
    """Spike port of a part that a source's spikes come by; no population has such a name."""
    return f"source-{source.name}_in"


def _port(part: Part, population: str) -> str:
    """Spike port of a part for spikes of a population: those for gates and weighted input are taken."""
    taken = {"gate_in", "a_in", *(f"{name}_a_in" for name in part.members)}
    return f"{population}_in" if f"{population}_in" not in taken else f"from-{population}_in"


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def check_parts(circuit: Circuit) -> None:
    """Raise CircuitError for what no part has: gates of the chain with a delay."""
    for c in circuit.connections:
        if c.pre in circuit.chain and c.delay:
            raise CircuitError(
                f"connection {c.pre} -> {c.post}: gates of the parts have no delay, but this one has {c.delay}; "
                f"gate from {circuit.chain[(circuit.chain.index(c.pre) + c.delay) % circuit.period]!r} instead"
            )


def check_for_chip(circuit: Circuit, what: str) -> None:
    """Raise CircuitError for a circuit of which anything is drawn, or that has a mask."""
    for m in circuit.matrices:
        if m.mask is not None:
            raise CircuitError(
                f"circuit {circuit.name!r}: matrix {m.name!r} has a mask, but {what} have all of a matrix; run it on "
                f"the simulator, or leave the mask (patch) out"
            )
    if circuit.random:
        noisy = next((p.name for p in circuit.populations if p.noise > 1), None)
        drawn = f"population {noisy!r} has noise" if noisy else "its updates are rounded at random"
        raise CircuitError(
            f"circuit {circuit.name!r}: {drawn}, which {what} do not have; run it on the simulator, or leave noise "
            f"(graded, dropout) and update_probability out"
        )


# ------------------------------------------------------------------ patterns


def _one_to_one(circuit: Circuit, population: str) -> list[Connection]:
    return [c for c in circuit.reaching(population) if c.pre not in circuit.chain]


def _error_pairs(circuit: Circuit) -> Iterator[Part]:
    """Pairs (pos, neg) with exactly the synapses of ErrorNeurons."""
    names = [p.name for p in circuit.populations if p.gated and p.bias == GATED_BIAS and p.name != circuit.output]
    threes, fours = (
        [name for name in names if _is_plain(circuit, name) and _counts(circuit, name) == (n, {0})] for n in (3, 4)
    )
    for pos in threes:
        for neg in fours:
            lo, t, s, hi = _error_inputs(circuit, pos, neg)
            into_pos, into_neg = (
                {(c.pre, c.role, c.weight) for c in _one_to_one(circuit, name)} for name in (pos, neg)
            )
            paper_pos = {(lo, "gate", GATE), (t, "relay", RELAY), (s, "relay", ANTI_RELAY)}
            paper_neg = {(lo, "gate", GATE), (s, "relay", RELAY), (t, "relay", ANTI_RELAY), (hi, "relay", ANTI_RELAY)}
            alike = [neurons_of(circuit, Part("lif", {"s": name})) for name in (pos, neg)]
            if into_pos == paper_pos and into_neg == paper_neg and alike[0] == alike[1]:
                yield Part("error", {"pos": pos, "neg": neg})


def _error_inputs(circuit: Circuit, pos: str, neg: str) -> tuple[str, str, str, str]:
    """Who would be lo, t, s and hi of an error pair; "" for nobody."""

    def pre(population: str, weight: int, but: str = "") -> str:
        reaching = (c.pre for c in _one_to_one(circuit, population) if c.weight == weight and c.pre != but)
        return next(reaching, "")

    t = pre(pos, RELAY)
    return pre(pos, GATE), t, pre(pos, ANTI_RELAY), pre(neg, ANTI_RELAY, but=t)


def _counts(circuit: Circuit, population: str) -> tuple[int, set[int]]:
    """How many one-to-one synapses reach each neuron of a population, and with which delays."""
    reaching = _one_to_one(circuit, population)
    return len(reaching), {c.delay for c in reaching}


def _is_plain(circuit: Circuit, population: str) -> bool:
    """Whether gates and one-to-one synapses are all that reaches a population; not the output, and without noise."""
    dense = any(p.post == population for p in circuit.projections)
    sources = any(s.population == population for s in circuit.sources)
    quiet = circuit[population].noise <= 1 and population not in (circuit.output, circuit.answers)
    like = all(circuit[c.pre].size == circuit[population].size for c in _one_to_one(circuit, population))
    return not dense and not sources and quiet and like


def _surrogates(circuit: Circuit) -> Iterator[Part]:
    """Triples that hold copies of one matrix and fire above FIRE, FIRE_LOW and FIRE_HIGH, with their box."""
    for matrix in circuit.matrices:
        plain = [p for p in circuit.projections if p.matrix == matrix.name and not p.transposed and p.sign == 1]
        fires = {FIRE: "s", FIRE_LOW: "lo", FIRE_HIGH: "hi"}
        members = {fires[at]: p.post for p in plain if (at := _fires_above(circuit, p)) in fires}
        reached = [p for p in circuit.projections if p.post in members.values()]
        shown = circuit.output not in members.values() or members.get("s") == circuit.output
        quiet = all(circuit[name].noise <= 1 for name in members.values())
        if quiet and len(members) == 3 and len({p.pre for p in plain}) == 1 and len(reached) == 3 and shown:
            yield Part("surrogate", {**members, **_box(circuit, members)})


def _fires_above(circuit: Circuit, projection: DenseProjection) -> int:
    """Dense input above which a population fires when the projection's first spikes arrive."""
    return circuit.firing_point(projection.post, min(circuit[projection.pre].phases) + 1)


def _box(circuit: Circuit, members: Mapping[str, str]) -> dict[str, str]:
    for p in circuit.populations:
        reaching = {(c.pre, c.weight) for c in _one_to_one(circuit, p.name)}
        n, delays = _counts(circuit, p.name)
        from_copies = reaching == {(members["lo"], RELAY), (members["hi"], ANTI_RELAY)} and n == 2 and len(delays) == 1
        if from_copies and _is_plain(circuit, p.name):
            return {"box": p.name}
    return {}


def _is_memory(circuit: Circuit, population: str) -> bool:
    """Whether relays from one population are all that reaches it."""
    reaching = {(c.pre, c.weight) for c in _one_to_one(circuit, population)}
    return len(reaching) == 1 and {weight for _, weight in reaching} == {RELAY} and _is_plain(circuit, population)
