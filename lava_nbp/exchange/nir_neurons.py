"""Neurons in NIR: nodes with which forward Euler is a network's own step, and what those of a file do."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lava_nbp.base.checks import check_real, check_reals
from lava_nbp.errors import InputError
from lava_nbp.eventprop.equations import LARGEST_CONSTANT, SMALLEST_CONSTANT, NeuronParameters
from lava_nbp.exchange.dense import TIME_TOLERANCE, DenseNetwork, Float64Array
from lava_nbp.exchange.nir_chain import kind_of

#: Constants are float32 in many files.
_ROUNDED = 1e-5
#: What is left of a 1 in the product of a few numbers of float32.
_SINGLE = 1e-6


class Marks(NamedTuple):
    """What the metadata of a graph say: the step in s, the r of Euler's constants, the threshold; None: nothing."""

    dt: float | None
    gain: float | None
    theta: float | None

    @classmethod
    def of(cls, graph: Any, path: Path) -> Marks:
        """Those of a graph.

        Raises
        ------
        InputError
            For what is no positive number.
        """
        found = graph.metadata if isinstance(graph.metadata, dict) else {}
        values = []
        for key in cls._fields:
            value = found.get(key)
            if isinstance(value, np.ndarray) and value.size == 1:
                value = value.reshape(-1)[0]
            if value is not None:
                value = check_real(value, 0, 1e30, f"{path}: {key} in the graph's metadata", above=True)
            values.append(value)
        return cls(*values)


class NeuronsRead(NamedTuple):
    """Of a layer: factor on the weights of each neuron, and time constants in ms if any would do."""

    factor: Float64Array
    tau_m: Float64Array | None = None
    tau_s: Float64Array | None = None


def neuron_node(nir: Any, network: DenseNetwork, k: int) -> Any:
    """The node of layer k, counted from 1."""
    dt, p = network.dt / 1000, network.neurons(k)
    spiking = network.spiking_output or k < len(network.weights)

    def single(values: Float64Array) -> Any:
        return values.astype(np.float32)

    tau_mem, zero, theta = single(dt / (1 - p.alpha)), np.zeros(len(p.theta), np.float32), single(p.theta)
    gain = {"gain": p.gain}
    if spiking and not p.beta.any():
        return nir.LIF(tau=tau_mem, r=single(p.gain), v_leak=zero, v_threshold=theta, v_reset=zero, metadata=gain)
    tau_syn = dt / (1 - p.beta)
    current = {
        "tau_syn": single(tau_syn), "tau_mem": tau_mem, "r": single(p.gain), "v_leak": zero,
        "w_in": single(tau_syn / dt), "metadata": gain,
    }  # fmt: skip
    return nir.CubaLIF(**current, v_threshold=theta, v_reset=zero) if spiking else nir.CubaLI(**current)


def _values(node: Any, key: str, n: int, where: str) -> Float64Array:
    """A constant of a node, (n,)."""
    return _each(getattr(node, key), key, n, where)


def _each(given: Any, key: str, n: int, where: str) -> Float64Array:
    value = check_reals(given, f"{where}: {key}")
    if value.size not in (1, n):
        raise InputError(f"{where}: {key} has {value.size} entries for {n} neurons; give one each")
    return np.broadcast_to(value.reshape(-1), (n,))


def _heights(node: Any, n: int, where: str) -> Float64Array:
    """Thresholds above the rest, to which a neuron must return."""
    rest, reset = _values(node, "v_leak", n, where), _values(node, "v_reset", n, where)
    if (rest != reset).any():
        k = int(np.argmax(rest != reset))
        raise InputError(
            f"{where}: v_reset is {reset[k]:g} and v_leak {rest[k]:g} (neuron {k}), but after a spike our neurons are "
            f"at rest; give a network whose v_reset is v_leak"
        )
    return _positive(_values(node, "v_threshold", n, where) - rest, where)


def _positive(height: Float64Array, where: str) -> Float64Array:
    if not (height > 0).all():
        raise InputError(f"{where}: its thresholds are not above its rest (neuron {int(np.argmin(height > 0))})")
    return height


def read_binary(node: Any, where: str, n: int, marks: Marks) -> NeuronsRead:
    """Neurons that forget everything in a step, as nBP's.

    Raises
    ------
    InputError
        For others, or numbers that are none: names the node.
    """
    kind = kind_of(node)
    if kind == "Threshold":
        return NeuronsRead(1 / _positive(_values(node, "threshold", n, where), where))
    constants = {"LIF": ("tau",), "CubaLIF": ("tau_mem", "tau_syn")}.get(kind)
    if constants is None:
        raise InputError(
            f"{where} is a {kind}, but nBP's neurons fire and forget: give Threshold, LIF with tau = dt, or CubaLIF "
            f"with tau_mem = tau_syn = dt"
        )
    dt = _step(marks, where)
    for key in constants:
        tau = _values(node, key, n, where)
        other = ~(np.abs(tau / dt - 1) <= _ROUNDED)
        if other.any():
            raise InputError(
                f"{where}: {key} is {tau[other][0]:g} s (neuron {int(np.argmax(other))}), but nothing may outlast a "
                f"step of nBP, whose neurons have {key} = dt = {dt:g} s; give a network of such, or train EventProp"
            )
    rise = _values(node, "r", n, where)
    if kind == "CubaLIF":
        rise = rise * _values(node, "w_in", n, where)
    return NeuronsRead(rise / _heights(node, n, where))


def read_leaky(node: Any, where: str, n: int, marks: Marks, p: NeuronParameters | None, *, fires: bool) -> NeuronsRead:
    """Neurons with a current and a voltage that decay, as EventProp's; with any time constants if p is None.

    Raises
    ------
    InputError
        For others, or numbers that are none: names the node.
    """
    kind, wanted = kind_of(node), "CubaLIF" if fires else "CubaLI"
    if kind != wanted:
        raise InputError(
            f"{where} is a {kind}, but this layer of the experiment has neurons with a current that "
            f"{'spike' if fires else 'only integrate, for its loss of voltages'}; give {wanted}"
        )
    dt, gain = _step(marks, where), _gain(node, n, marks, where)
    tau_m, tau_s = (1000 * _physical(_values(node, key, n, where), key, dt, gain, where) for key in _TAUS)
    if p is not None:
        for key, tau, ms, name in (("tau_mem", tau_m, p.tau_m, "tau_m"), ("tau_syn", tau_s, p.tau_s, "tau_s")):
            other = ~(np.abs(tau / ms - 1) <= TIME_TOLERANCE)
            if other.any():
                raise InputError(
                    f"{where}: {key} is {tau[other][0]:.4g} ms (neuron {int(np.argmax(other))}), but neuron.{name} of "
                    f"this experiment is {ms:g} ms, for all neurons; set [neuron] to the file's, if they are the same "
                    f"there, or else neuron.spread of this layer"
                )
    rise = _values(node, "r", n, where) / (1.0 if gain is None else gain)
    rise = rise * _values(node, "w_in", n, where) * (dt / _values(node, "tau_syn", n, where))
    if gain is not None:  # ours, where it is 1: weights come back as they were
        rise = np.where(np.abs(rise - 1) <= _SINGLE, 1.0, rise)
    own = (tau_m, tau_s) if p is None else (None, None)
    if fires:
        return NeuronsRead(rise / _heights(node, n, where), *own)
    rest = _values(node, "v_leak", n, where)
    if rest.any():
        raise InputError(f"{where}: v_leak is {rest[rest != 0][0]:g}, but our outputs rest at 0; give such a network")
    return NeuronsRead(rise / (marks.theta or 1.0), *own)


_TAUS = "tau_mem", "tau_syn"


def _gain(node: Any, n: int, marks: Marks, where: str) -> Float64Array | None:
    """The r of Euler's constants, (n,); None: constants are physical. Older files have one for the whole graph."""
    own = node.metadata.get("gain") if isinstance(node.metadata, dict) else None
    if own is None:
        return None if marks.gain is None else np.full(n, marks.gain)
    gain = _each(own, "gain in its metadata", n, where)
    if not (gain > 0).all():
        raise InputError(f"{where}: gain in its metadata is {gain.min():g}, but must be more than 0; leave it out")
    return gain


def _physical(tau: Float64Array, key: str, dt: float, gain: Float64Array | None, where: str) -> Float64Array:
    """Time constants that a node means, in s: of a graph with Euler's constants those of the exact step."""
    if not (tau > (0 if gain is None else dt)).all():
        raise InputError(
            f"{where}: {key} is {tau.min():g} s, but must be more than {'0' if gain is None else f'dt = {dt:g} s'}"
        )
    physical = tau if gain is None else -dt / np.log1p(-dt / tau)
    low, high = SMALLEST_CONSTANT / 1000, LARGEST_CONSTANT / 1000
    bad = ~((physical >= low) & (physical <= high))
    if bad.any():
        raise InputError(
            f"{where}: {key} is {physical[bad][0]:g} s (neuron {int(np.argmax(bad))}), but must be in {low:g} .. "
            f"{high:g} s"
        )
    return physical


def _step(marks: Marks, where: str) -> float:
    if marks.dt is None:
        raise InputError(
            f"{where} has time constants, but the graph's metadata do not say dt, the step in s that its weights are "
            f"for; write it with metadata={{'dt': 0.001}}, if that is the step"
        )
    return marks.dt
