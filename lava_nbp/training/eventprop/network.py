"""The network of an EventProp experiment: names and units of its matrices, and what of it is exported."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.targets import TARGETS
from lava_nbp.base.widths import ALIGNMENT_BITS, DELAY_MAX
from lava_nbp.errors import InputError, WeightError
from lava_nbp.eventprop.clocked.arithmetic import MASTER_BITS, FixedPoint
from lava_nbp.eventprop.clocked.delays import steps_of
from lava_nbp.eventprop.equations import NeuronParameters, response
from lava_nbp.eventprop.losses import TTFSLoss
from lava_nbp.exchange.dense import DenseNetwork
from lava_nbp.nbp.circuit import Circuit
from lava_nbp.training.checkpoint import check_layered
from lava_nbp.training.eventprop.config import EventPropExperiment
from lava_nbp.training.eventprop.names import late_names
from lava_nbp.training.learner import Arrays

if TYPE_CHECKING:
    from lava_nbp.training.run import Run


def are_masters(weights: Mapping[str, Any]) -> bool:
    """Whether weights are the integers (20 fractional bits) that a clocked network learns with."""
    return np.asarray(weights["W1"]).dtype.kind == "i"


def neurons_of(config: EventPropExperiment, weights: Mapping[str, Any]) -> list[Any]:
    """Parameters of every layer's neurons; with the time constants that a run keeps (tau_m1, ..), if it does."""
    found: list[Any] = []
    spreads = config.neuron.spreads(config.network.n_layers)
    for k, (p, spread) in enumerate(zip(config.neurons, spreads, strict=True), 1):
        columns = [np.asarray(weights.get(f"{name}{k}", [getattr(p, name)])) for name in ("tau_m", "tau_s")]
        own = [replace(p, tau_m=float(m), tau_s=float(s)) for m, s in zip(*columns, strict=True)]
        found.append(own if spread else own[0])
    return found


def check_no_constants(weights: Iterable[str], what: str) -> None:
    """Refuse a run with time constants of its own for what has those of the configuration.

    Raises
    ------
    InputError
        Names them, and what does not have them.
    """
    own = [name for name in weights if name.startswith("tau")]
    if own:
        raise InputError(
            f"the run has time constants of its own, {', '.join(own)}, which {what} does not have; use target "
            f"continuous"
        )


def full_precision(what: str, delays: Any, config: EventPropExperiment) -> NDArray[np.int64]:
    """Delays in ms as a clocked target keeps them: in steps, with 20 fractional bits.

    Raises
    ------
    InputError
        For delays of more steps than it holds, or than are learned: names what they are, and the key that makes room.
    """
    c, longest = config.setup.c, config.longest_steps
    masters = c.delay_masters(delays)
    if (steps := steps_of(masters).max()) > longest:
        limit = f"network.longest_delay is {config.network.longest_delay:g} ms; raise that"
        if steps > DELAY_MAX:
            limit = (
                f"target {config.target} holds {DELAY_MAX} steps of {c.dt:g} ms (clocked.dt); use a larger dt, or "
                f"target continuous"
            )
        raise InputError(f"{what} reaches {np.max(delays):g} ms, but {limit}")
    # What the longest step is the nearest to may be a little longer.
    return np.minimum(masters, longest << MASTER_BITS)


def check_arrays(weights: Arrays, layers: tuple[int, ...], circuit: Circuit | None = None) -> None:
    """Check what a run keeps: W1 .. Wn, and any of R1 .., delays D1 .. and E1 .., and time constants tau_m1 ..

    Raises
    ------
    WeightError
        For a missing or unknown array, or a wrong shape.
    """
    beside: dict[str, tuple[tuple[int, ...], ...]] = {}
    for k, (before, n) in enumerate(pairwise(layers), 1):
        beside |= {f"D{k}": ((before, n), (before,)), f"E{k}": ((n, n), (n,))}
        beside |= {f"{name}{k}": ((n,), (1,)) for name in ("tau_m", "tau_s")}
    check_layered({name: w for name, w in weights.items() if name not in beside}, layers, circuit)
    for name in beside.keys() & weights.keys():
        if weights[name].shape not in beside[name]:
            raise WeightError(
                f"{name} has shape {weights[name].shape}, but this network needs {' or '.join(map(str, beside[name]))}"
            )


def in_thresholds(weights: Mapping[str, Any], dt: float) -> Arrays:
    """Weights of either kind as real numbers in thresholds, and delays, which clocked networks have in steps, in ms.

    In full precision both: not as 8 bits and whole steps have them.
    """
    if not are_masters(weights):
        return {name: np.asarray(w) for name, w in weights.items()}
    late = late_names(weights)
    return {name: np.asarray(w) * ((dt if name in late else 1.0) / (1 << MASTER_BITS)) for name, w in weights.items()}


def exported(run: Run, dt: float | None = None) -> DenseNetwork:
    """The inference network of a run.

    Raises
    ------
    InputError
        For a dt that this network cannot have.
    """
    config = run.config
    assert isinstance(config, EventPropExperiment)
    return (_clocked if TARGETS[config.target].clocked else _continuous)(run, config, dt)


def _clocked(run: Run, config: EventPropExperiment, dt: float | None) -> DenseNetwork:
    if dt is not None and dt != config.clocked.dt:
        raise InputError(
            f"dt is {dt:g} ms, but the run learned with steps of {config.clocked.dt:g} ms (clocked.dt); leave --dt out"
        )
    setup = config.setup
    c, own = setup.c, setup.arithmetic(config.network.n_layers)
    for k, layer in enumerate(own, 1):
        if layer.refractory and (k < len(own) or isinstance(setup.loss, TTFSLoss)):
            raise InputError(
                f"neurons of layer {k} have a refractory period of {layer.refractory} steps (clocked.refractory), "
                f"which neither NIR nor netx has for them; train with clocked.refractory = 0 to export"
            )
    arrays = {}
    for name, top in config.largest_weights.items():
        layer = config.arithmetic_of(name)
        held = layer.forward_weights(run.weights[name], layer.weight_exponent(top))
        arrays[name] = held / _export_unit(layer)
    arrays |= {name: steps_of(run.weights[name]) * c.dt for name in late_names(run.weights)}
    unit, spiking = 1 << c.coefficient_bits, isinstance(setup.loss, TTFSLoss)
    W, R, D, E = _by_layer(arrays, config)
    alpha, beta = (tuple(getattr(layer, name) / unit for layer in own) for name in ("alpha", "beta"))
    gamma = tuple(layer.response if layer.on_chip else layer.gamma / unit for layer in own)
    thetas = tuple(layer.theta / _export_unit(layer) for layer in own)
    return DenseNetwork(W, thetas, alpha, beta, gamma, c.dt, spiking, run.about, R, D, E, mantissas=c.on_chip)


def _export_unit(layer: FixedPoint) -> int:
    """What weights and thresholds are divided by: a chip's weights are mantissas then, as registers have them."""
    return 1 << ALIGNMENT_BITS if layer.on_chip else 1


def _continuous(run: Run, config: EventPropExperiment, dt: float | None) -> DenseNetwork:
    step = config.clocked.dt if dt is None else dt
    if not (math.isfinite(step) and 0 < step <= config.encoding.end):
        raise InputError(f"dt is {step!r} ms, but must be positive and at most the trial's {config.encoding.end:g} ms")
    thresholds = tuple(p.theta for p in config.neurons)
    units = {f"{letter}{k}": theta for letter in "WR" for k, theta in enumerate(thresholds, 1)}
    W, R, D, E = _by_layer({name: w * units.get(name, 1.0) for name, w in run.weights.items()}, config)
    neurons = neurons_of(config, run.weights)

    def each(of: Callable[[NeuronParameters], float]) -> tuple[Any, ...]:
        """Of every layer, or of every neuron of one whose neurons are not alike."""
        return tuple(np.array([of(p) for p in layer]) if isinstance(layer, list) else of(layer) for layer in neurons)

    alpha, beta = each(lambda p: math.exp(-step / p.tau_m)), each(lambda p: math.exp(-step / p.tau_s))
    gamma, spiking = each(lambda p: response(step, p)), isinstance(config.loss.loss, TTFSLoss)
    return DenseNetwork(W, thresholds, alpha, beta, gamma, step, spiking, run.about, R, D, E)


def _by_layer(arrays: Arrays, config: EventPropExperiment) -> list[tuple[Any, ...]]:
    """Weights, recurrent ones, and the delays of both, of every layer; None where there are none."""
    each = range(1, config.network.n_layers + 1)
    return [tuple(arrays.get(f"{letter}{k}") for k in each) for letter in "WRDE"]
