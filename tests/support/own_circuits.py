"""Circuits that the library does not have: a delta rule, and any circuit under other names."""

from dataclasses import replace
from itertools import pairwise

from lava_nbp.nbp.circuit import Circuit, Connection, DenseProjection, Matrix, Population, Source
from lava_nbp.nbp.levels import ANTI_RELAY, GATE, LINK, RELAY
from lava_nbp.nbp.rule import PAPER_RULE, ThreeFactorRule

PERIOD = 10


def delta_circuit(n_in, n_out, dw=PAPER_RULE, chip_order=True, gating="pulse"):
    """The delta rule of one layer in ten phases: matrix "V" (n_in, n_out), sources "see" and "want".

    Phase 2: see (inputs). 3: say = V see > 512, and want (targets). 4: more = want & !say, less = say & !want.
    5: see again, and say = more, r = 1. 8: see again, and say = less, r = 0.
    """
    chain = [f"{gating}{k}" for k in range(PERIOD)]
    gates = {"see": (1, 4, 7), "say": (2, 4, 7), "want": (2,), "more": (3,), "less": (3,)}
    relays = [
        ("see", "see", RELAY, 2),
        ("want", "more", RELAY, 0), ("say", "more", ANTI_RELAY, 0),
        ("say", "less", RELAY, 0), ("want", "less", ANTI_RELAY, 0),
        ("more", "say", RELAY, 0), ("less", "say", RELAY, 3),
    ]  # fmt: skip
    return Circuit(
        name="delta",
        forward=("see", "say"),
        period=PERIOD,
        populations=(
            *(Population(name, 1, (k,), bias=0, refractory=1) for k, name in enumerate(chain)),
            Population("see", n_in, (2, 5, 8)),
            Population("say", n_out, (3, 5, 8)),
            *(
                Population(name, n_out, (phase,), layer="say")
                for name, phase in (("want", 3), ("more", 4), ("less", 4))
            ),
        ),
        connections=(
            *(Connection(name, chain[(k + 1) % PERIOD], "chain", LINK) for k, name in enumerate(chain)),
            *(Connection(chain[k], post, "gate", GATE) for post, opened in gates.items() for k in opened),
            *(Connection(pre, post, "relay", weight, delay) for pre, post, weight, delay in relays),
        ),
        matrices=(Matrix("V", (n_in, n_out)),),
        projections=(DenseProjection("V", "see", "say", "V"),),
        sources=(Source("see", "see", 2), Source("want", "want", 3)),
        output_phase=3,
        rule=ThreeFactorRule(dw),
        reward_phases=frozenset({5}),
        chip_order=chip_order,
    )


def renamed(circuit, name):
    """The same circuit, every population, matrix, projection and source called by `name` of what it is called."""

    def new(value, *fields):
        return replace(value, **{f: name(getattr(value, f)) for f in fields if getattr(value, f)})

    return replace(
        circuit,
        forward=tuple(map(name, circuit.forward)),
        populations=tuple(new(p, "name", "layer") for p in circuit.populations),
        connections=tuple(new(c, "pre", "post") for c in circuit.connections),
        matrices=tuple(new(m, "name") for m in circuit.matrices),
        projections=tuple(new(p, "name", "pre", "post", "matrix") for p in circuit.projections),
        sources=tuple(new(s, "name", "population") for s in circuit.sources),
    )


def feedforward_circuit(*sizes):
    """Layers that only answer, as many as there are sizes: layer k fires in phase k + 2."""
    period, names = len(sizes) + 1, [f"layer{k}" for k in range(len(sizes))]
    chain = [f"gating{k}" for k in range(period)]
    shapes = list(pairwise(sizes))
    return Circuit(
        name="feedforward",
        forward=tuple(names),
        period=period,
        populations=(
            *(Population(name, size, (k + 2,)) for k, (name, size) in enumerate(zip(names, sizes, strict=True))),
            *(Population(name, 1, (k,), bias=0, refractory=1) for k, name in enumerate(chain)),
        ),
        connections=(
            *(Connection(name, chain[(k + 1) % period], "chain", LINK) for k, name in enumerate(chain)),
            *(Connection(chain[k + 1], name, "gate", GATE) for k, name in enumerate(names)),
        ),
        matrices=tuple(Matrix(f"M{k}", shape) for k, shape in enumerate(shapes)),
        projections=tuple(DenseProjection(f"M{k}", names[k], names[k + 1], f"M{k}") for k in range(len(shapes))),
        sources=(Source("pixels", names[0], 2),),
        output_phase=period,
    )


def later(circuit, steps):
    """The same circuit, so many steps later in a longer period: new gating neurons fill the beginning."""
    chain, period = circuit.chain, circuit.period + steps
    new = [f"waiting{k}" for k in range(1, steps + 1)]
    ring = [chain[0], *new, *chain[1:]]
    links = {c.pre: c for c in circuit.connections if c.role == "chain"}
    return replace(
        circuit,
        period=period,
        populations=(
            *(replace(circuit[chain[0]], name=name, phases=(k,)) for k, name in enumerate(ring)),
            *(
                replace(p, phases=tuple(phase + steps for phase in p.phases))
                for p in circuit.populations
                if p.name not in chain
            ),
        ),
        connections=(
            *(replace(links[chain[0]], pre=name, post=ring[(k + 1) % period]) for k, name in enumerate(ring)),
            *(c for c in circuit.connections if c.role != "chain"),
        ),
        sources=tuple(replace(s, phase=s.phase + steps) for s in circuit.sources),
        output_phase=circuit.output_phase + steps,
        reward_phases=frozenset(phase + steps if phase else 0 for phase in circuit.reward_phases),
        meanings=tuple((phase + steps if phase else 0, text) for phase, text in circuit.meanings),
    )


def paper_under_other_names(n_in, n_hidden, n_out, **options):
    """The paper's circuit, two steps later in a period of fourteen, every name another one."""
    from lava_nbp.nbp.paper import training_circuit

    return renamed(later(training_circuit(n_in, n_hidden, n_out, **options), 2), lambda name: f"my_{name}")
