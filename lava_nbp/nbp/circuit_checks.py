"""What a circuit must be to work: every check names the object, the value and the cure."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from lava_nbp.base.checks import check_integer
from lava_nbp.base.integers import bias_mantissa_exponent, mantissa_exponent
from lava_nbp.base.widths import (
    DELAY_MAX,
    NEURONS_PER_CHIP,
    PLASTIC_WEIGHT_MAX,
    REFRACTORY_MAX,
    SYNAPSES_PER_CHIP,
)
from lava_nbp.errors import CircuitError, InputError, WeightError
from lava_nbp.nbp.draws import NOISE_MAX
from lava_nbp.nbp.levels import GATED_BIAS, RELAY, THRESHOLD

if TYPE_CHECKING:
    from lava_nbp.nbp.circuit import Circuit

#: Names of populations, sources and matrices: ports, Vars and arrays in files are named after them.
_NAME = r"[A-Za-z][A-Za-z0-9_]{0,99}"
#: Populations and projections; a circuit takes time by the square of them.
_MOST = 4096
_check_int = partial(check_integer, error=CircuitError)


def check(circuit: Circuit) -> None:
    """Check a circuit.

    Raises
    ------
    CircuitError
        If it cannot work.
    """
    _check_populations(circuit)
    _check_forward(circuit)
    _check_connections(circuit)
    _check_sources(circuit)
    _check_chain(circuit)
    _check_layers(circuit)
    _check_schedule(circuit)
    _check_drive(circuit)
    _check_rule(circuit)
    _check_matrices(circuit)
    _check_projections(circuit)
    _check_learning(circuit)


def _check_populations(circuit: Circuit) -> None:
    if len(circuit.populations) > _MOST or len(circuit.connections) > 16 * _MOST or len(circuit.projections) > _MOST:
        raise CircuitError(
            f"circuit {circuit.name!r} has {len(circuit.populations)} populations, {len(circuit.connections)} "
            f"connections and {len(circuit.projections)} projections, but the limits are {_MOST}, {16 * _MOST} and "
            f"{_MOST}; let units share populations"
        )
    what = f"circuit {circuit.name!r}"
    _check_int(circuit.period, 1, _MOST, f"{what}: period")
    _check_int(circuit.output_phase, 0, circuit.period, f"{what}: output_phase")
    for phase in sorted(circuit.reward_phases):
        _check_int(phase, 0, circuit.period, f"{what}: reward phase")
    for phase, _ in circuit.meanings:
        _check_int(phase, 0, circuit.period, f"{what}: phase of a meaning")
    seen: set[str] = set()
    for p in circuit.populations:
        if not re.fullmatch(_NAME, p.name):
            raise CircuitError(f"population name {p.name!r}: use a letter, then letters, digits or underscores")
        if p.name in seen:
            raise CircuitError(f"population {p.name!r} is defined twice; rename one of them")
        seen.add(p.name)
        _check_int(p.size, 1, NEURONS_PER_CHIP, f"population {p.name!r}: size")
        _check_int(p.refractory, 1, REFRACTORY_MAX, f"population {p.name!r}: refractory")
        _check_int(p.noise, 0, NOISE_MAX, f"population {p.name!r}: noise", "it raises the threshold")
        _check_fits(bias_mantissa_exponent, p.bias, p.name)
        if p.bias > THRESHOLD:
            raise CircuitError(
                f"population {p.name!r}: its bias {p.bias} is over the threshold {THRESHOLD}, so it fires in "
                f"every step; use {GATED_BIAS} for a gated population"
            )
        for phase in p.phases:
            _check_int(phase, 0, circuit.period, f"population {p.name!r}: phase")
        if not p.phases:
            raise CircuitError(f"population {p.name!r} never fires; give it a phase or remove it")
        if len({phase % circuit.period for phase in p.phases}) < len(p.phases):
            raise CircuitError(f"population {p.name!r}: phases {p.phases} name one phase twice; remove it")


def _check_forward(circuit: Circuit) -> None:
    if len(circuit.forward) < 2 or len(set(circuit.forward)) < len(circuit.forward):
        raise CircuitError(
            f"circuit {circuit.name!r}: its layers are {circuit.forward}; name two or more populations, from the input "
            f"to the output, each once"
        )
    for name in circuit.forward:
        circuit[name]  # names the populations there are


def _check_layers(circuit: Circuit) -> None:
    for p in circuit.populations:
        if p.name not in circuit.chain and 0 in p.phases:
            raise CircuitError(
                f"population {p.name!r}: phase 0 is the end of the sample before; write {circuit.period}"
            )
    for p in circuit.populations:
        if p.name in circuit.chain:
            if p.layer:
                raise CircuitError(f"gating neuron {p.name!r} belongs to no layer, but says {p.layer!r}; leave it out")
        elif circuit.layer_of(p.name) not in circuit.forward:
            raise CircuitError(
                f"population {p.name!r} has layer={p.layer!r}, but the layers are {', '.join(circuit.forward)}; name "
                f"the one whose units it belongs to"
            )
        elif p.name in circuit.forward and circuit.layer_of(p.name) != p.name:
            raise CircuitError(f"population {p.name!r} is a layer itself, but says {p.layer!r}; leave its layer out")


def _check_connections(circuit: Circuit) -> None:
    for c in circuit.connections:
        what = f"connection {c.pre} -> {c.post}"
        pre, post = circuit[c.pre], circuit[c.post]
        if 1 not in (pre.size, post.size) and pre.size != post.size:
            raise CircuitError(
                f"{what}: sizes {pre.size} and {post.size}; fixed connections are one-to-one, from one neuron to all, "
                f"or from all to one"
            )
        _check_int(c.delay, 0, DELAY_MAX, f"{what}: delay")
        _check_fits(mantissa_exponent, c.weight, f"{what}: weight")
        if (c.role in ("gate", "chain") and c.weight <= 0) or (c.role == "inhibit" and c.weight >= 0):
            raise CircuitError(f"{what}: a connection of role {c.role!r} cannot have weight {c.weight}; flip its sign")


def _check_fits(split: Callable[[int, str], object], value: int, what: str) -> None:
    """What the chip's mantissas and exponents do not give is an error of the circuit."""
    try:
        split(value, what)
    except (InputError, WeightError) as error:
        raise CircuitError(str(error)) from None


def _check_sources(circuit: Circuit) -> None:
    if not circuit.sources:
        raise CircuitError(f"circuit {circuit.name!r} has no source, so that nothing can reach it; give it one")
    seen: set[str] = set()
    for s in circuit.sources:
        if not re.fullmatch(_NAME, s.name) or s.name in seen:
            raise CircuitError(
                f"source name {s.name!r}: use a letter, then letters, digits or underscores, once: ports are named "
                f"after it"
            )
        seen.add(s.name)
        _check_fits(mantissa_exponent, s.weight, f"source {s.name!r}: weight")
        if s.weight <= 0:
            raise CircuitError(
                f"source {s.name!r} has weight {s.weight}, so that its spikes make nothing fire; use {RELAY}"
            )
        if s.phase not in circuit[s.population].phases:
            raise CircuitError(
                f"source {s.name!r} reaches population {s.population!r} in phase {s.phase}, in which it is not "
                f"scheduled; use one of {circuit[s.population].phases}"
            )
        if s.phase < 2:
            raise CircuitError(
                f"source {s.name!r}: spikes for phase {s.phase} would leave before the sample begins (phase 1); "
                f"use phase 2 or a later one"
            )
    answers = circuit[circuit.answers]
    if circuit.output_phase not in answers.phases or circuit.output_phase == 0:
        raise CircuitError(
            f"output population {answers.name!r} is not scheduled in phase {circuit.output_phase}; "
            f"use one of {answers.phases}"
        )
    check_integer(circuit.per_class, 1, NEURONS_PER_CHIP, f"circuit {circuit.name!r}: per_class", error=CircuitError)
    if circuit.layers[-1] % circuit.per_class:
        raise CircuitError(
            f"circuit {circuit.name!r}: {circuit.layers[-1]} outputs, {circuit.per_class} for each class, do not come "
            f"out even; give a multiple"
        )
    if circuit.readout and (answers.size != circuit.layers[-1] or circuit.layer_of(answers.name) != circuit.output):
        raise CircuitError(
            f"readout {answers.name!r} has {answers.size} neurons of layer {circuit.layer_of(answers.name)!r}, but "
            f"must have the {circuit.layers[-1]} of the output {circuit.output!r}"
        )


def _check_chain(circuit: Circuit) -> None:
    links = [c for c in circuit.connections if c.role == "chain"]
    chain = circuit.chain
    if len(chain) != circuit.period:
        raise CircuitError(
            f"circuit {circuit.name!r}: {len(chain)} gating neurons for a period of {circuit.period}; "
            f"the chain needs one per phase"
        )
    expected = {(name, chain[(k + 1) % len(chain)]) for k, name in enumerate(chain)}
    for k, name in enumerate(chain):
        if circuit[name].size != 1 or circuit[name].phases != (k,) or circuit[name].gated or circuit[name].noise:
            raise CircuitError(
                f"gating neuron {name!r}: link {k} of the chain is one neuron without bias and noise that fires in "
                f"phase {k} only"
            )
    for c in links:
        expected.discard((c.pre, c.post))
        if (
            c.delay != 0
            or c.weight <= THRESHOLD
            or circuit[c.post].name != chain[(chain.index(c.pre) + 1) % len(chain)]
        ):
            raise CircuitError(
                f"chain link {c.pre} -> {c.post}: a link leads to the next gating neuron without delay and "
                f"with a weight over {THRESHOLD}"
            )
    if expected:
        pre, post = sorted(expected)[0]
        raise CircuitError(f"the chain is broken between {pre!r} and {post!r}; connect them with role 'chain'")
    for c in circuit.connections:
        if c.pre in chain and (arrives := chain.index(c.pre) + 1 + c.delay) > circuit.period:
            raise CircuitError(
                f"connection {c.pre} -> {c.post}: with a delay of {c.delay} it reaches the next sample, and not the "
                f"first; connect from {chain[arrives % circuit.period - 1]!r} without delay"
            )


def _check_schedule(circuit: Circuit) -> None:
    for p in circuit.populations:
        if not p.gated:
            if p.name not in circuit.chain:
                raise CircuitError(
                    f"population {p.name!r} is neither gated nor a gating neuron; give it the bias {GATED_BIAS}"
                )
            continue
        gates = circuit.arrivals(p.name, "gate")
        silent = circuit.arrivals(p.name, "inhibit")
        scheduled = circuit.reduced(p.name)
        for phase in sorted(scheduled - gates.keys()):
            raise CircuitError(
                f"population {p.name!r} is scheduled in phase {phase} but no gate reaches it then; gate it "
                f"from {circuit.chain[(phase - 1) % circuit.period]!r} or take phase {phase} from its schedule"
            )
        for phase in sorted(gates.keys() & silent.keys()):
            raise CircuitError(
                f"population {p.name!r} is gated by {gates[phase][0].pre!r} and inhibited by "
                f"{silent[phase][0].pre!r} in phase {phase}; remove one of the two"
            )
        for phase, by in sorted(gates.items()):
            opening = [c.pre for c in by if c.pre in circuit.chain]
            if opening and phase not in scheduled:
                raise CircuitError(
                    f"gating neuron {opening[0]!r} opens population {p.name!r} in phase {phase}, which is not in "
                    f"its schedule {p.phases}; add the phase or remove the gate"
                )


def _check_drive(circuit: Circuit) -> None:
    """No population may fire without input in an open phase, nor from fixed input in a closed one."""
    for p in circuit.populations:
        if p.name in circuit.chain:
            continue
        # A sum of dense input may well be compared with less than 0.
        summed = {
            (k + 1) % circuit.period for q in circuit.projections if q.post == p.name for k in circuit[q.pre].phases
        }
        for phase, connections in sorted(circuit.arrivals(p.name, "gate", "relay").items()):
            limit = circuit.firing_point(p.name, phase)
            if phase in circuit.reduced(p.name):
                if limit < 0 and p.noise <= 1 and phase not in summed:
                    raise CircuitError(
                        f"population {p.name!r} fires in phase {phase} without input: its gates add up to "
                        f"{circuit.gating(p.name, phase)}, over {THRESHOLD - p.bias}; weaken one"
                    )
            elif not any(c.role == "gate" for c in connections):
                total = sum(max(c.weight, 0) for c in connections if c.pre not in circuit.chain)
                if total > limit:
                    raise CircuitError(
                        f"population {p.name!r} can fire in phase {phase} without a gate: its fixed input adds up "
                        f"to {total + circuit.gating(p.name, phase)}, over {THRESHOLD - p.bias}; weaken it or inhibit "
                        f"the population then"
                    )


def _check_rule(circuit: Circuit) -> None:
    """A change larger than the whole range of a weight says no more than one of that size."""
    _check_int(circuit.seed, 0, 2**63 - 1, f"circuit {circuit.name!r}: seed")
    if circuit.rule is None:
        return
    if not circuit.update_probability.certain and any(any(circuit.rule.coefficients(r)[:2]) for r in (0, 1)):
        raise CircuitError(
            f"circuit {circuit.name!r}: its rule {circuit.rule.dw!r} changes weights where only one end fires, but "
            f"changes are made with a probability, which is for pairs of spikes; leave update_probability out"
        )
    for change in (*circuit.rule.coefficients(0), *circuit.rule.coefficients(1)):
        if abs(change) > 2 * PLASTIC_WEIGHT_MAX:
            raise CircuitError(
                f"circuit {circuit.name!r}: its rule {circuit.rule.dw!r} changes weights by {change}, but they go from "
                f"{-PLASTIC_WEIGHT_MAX} to {PLASTIC_WEIGHT_MAX}; use changes of at most {2 * PLASTIC_WEIGHT_MAX}"
            )


def _check_matrices(circuit: Circuit) -> None:
    seen: set[str] = set()
    for matrix in circuit.matrices:
        if not re.fullmatch(_NAME, matrix.name):
            raise CircuitError(f"matrix name {matrix.name!r}: use a letter, then letters, digits or underscores")
        if matrix.name in seen:
            raise CircuitError(f"matrix {matrix.name!r} is defined twice; rename one of them")
        seen.add(matrix.name)
        if matrix.shape[0] * matrix.shape[1] > SYNAPSES_PER_CHIP:
            raise CircuitError(
                f"matrix {matrix.name!r} of shape {matrix.shape} has more than the {SYNAPSES_PER_CHIP} synapses "
                f"of a chip; make a layer smaller"
            )
        extent = (0, 0) if matrix.mask is None else matrix.mask.extent
        if extent[0] > matrix.shape[0] or extent[1] > matrix.shape[1]:
            raise CircuitError(
                f"matrix {matrix.name!r} of shape {matrix.shape}: its mask has synapses up to {extent}; give a mask of "
                f"that shape"
            )
        if not any(p.matrix == matrix.name and not p.transposed and p.sign == 1 for p in circuit.projections):
            raise CircuitError(
                f"matrix {matrix.name!r}: no projection holds it as it is, neither transposed nor negative; add one"
            )


def _check_projections(circuit: Circuit) -> None:
    if not circuit.projections:
        raise CircuitError(
            f"circuit {circuit.name!r} has no projections, so that no weights lead anywhere; give it one"
        )
    seen: set[str] = set()
    for p in circuit.projections:
        what = f"projection {p.name!r} ({p.pre} -> {p.post})"
        if not p.name:
            raise CircuitError(f"{what} has no name; give it one")
        if p.name in seen:
            raise CircuitError(f"{what} is defined twice; rename one of them")
        seen.add(p.name)
        if p.matrix not in circuit.matrix_shapes:
            raise CircuitError(f"{what}: no matrix {p.matrix!r}; define it in `matrices`")
        shape = circuit.matrix_shapes[p.matrix]
        wanted = shape[::-1] if p.transposed else shape
        sizes = circuit.shape_of(p)
        if sizes != wanted:
            raise CircuitError(f"{what}: sizes {sizes} do not fit {p.matrix!r} of shape {shape}, that is {wanted} here")


def _check_learning(circuit: Circuit) -> None:
    """What pairs of spikes change must be able to grow and to shrink; projections whose ends never meet stay fixed."""
    if circuit.rule is None or any(any(circuit.rule.coefficients(r)[:2]) for r in (0, 1)):
        return
    for p in circuit.projections:
        changes = {circuit.change(k) for k in circuit.reduced(p.pre) & circuit.reduced(p.post)}
        for sign, verb in ((1, "potentiates"), (-1, "depresses")):
            if changes and not any(sign * change > 0 for change in changes):
                raise CircuitError(
                    f"projection {p.name!r} ({p.pre} -> {p.post}) learns, but no phase {verb} it: {p.pre!r} fires in "
                    f"{sorted(circuit.reduced(p.pre))}, {p.post!r} in {sorted(circuit.reduced(p.post))}, reward in "
                    f"{sorted(circuit.reward_phases)}; schedule both in one phase with r = {int(sign > 0)}"
                )
