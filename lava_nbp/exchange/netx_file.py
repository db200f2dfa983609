"""Networks as lava-dl's netx files (HDF5), which `lava.lib.dl.netx.hdf5.Network` turns into Lava processes, and back.

A layer is a ``dense`` group with CUBA neurons: 8-bit weights (even mantissas m, -254 .. 254), 12-bit decays, and a
17-bit threshold. Lava's LIF does, in integers::

    u <- (u (4096 - iDecay)) >> 12 + 64 sum m,   v <- (v (4096 - vDecay)) >> 12 + u,   spike where v > 64 vThMant

(its shifts round toward 0), which for nBP is the same network, bit for bit, and for EventProp the same up to
rounding. Every layer's Dense takes one step. A recurrent layer is a ``dense_rec`` group with weight_rec, for another
Dense: its spikes act in the step after their own, as ours do. Both matrices have one unit, by which they are rounded.

Delays are the ``delay`` of a ``dense`` group, in whole steps (post, pre), with which lava-dl makes a DelayDense: 0 acts
as a Dense does. Recurrent layers have none: lava-dl's ``dense_rec`` gives both its matrices the same delays, of the
shape of the one, and forgets their weight exponent. Lava's LIF has one pair of decays for a layer.
"""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lava_nbp.base.checks import check_real, check_reals
from lava_nbp.base.files import AnyPath, as_path, write_atomically
from lava_nbp.base.widths import (
    ALIGNMENT_BITS,
    DELAY_MAX,
    PLASTIC_WEIGHT_MAX,
    STATE_BITS,
    THRESHOLD_BITS,
    VOLTAGE_DECAY_ALL,
    WEIGHT_BITS,
    WEIGHT_STEP,
)
from lava_nbp.errors import InputError, WeightError
from lava_nbp.eventprop.equations import NeuronParameters, response
from lava_nbp.exchange.dense import (
    TIME_TOLERANCE,
    DenseNetwork,
    Expected,
    Float64Array,
    LayerNeurons,
    LayerRead,
    expected_of,
)
from lava_nbp.exchange.hdf5 import load_h5py, open_network

_UNITY, _LARGEST_THRESHOLD = VOLTAGE_DECAY_ALL, (1 << THRESHOLD_BITS) - 1
#: Lava's LIF shifts its input, and wraps currents beyond 24 bits.
_LARGEST_SUM = ((1 << (STATE_BITS - 1)) - 1) >> ALIGNMENT_BITS
#: A quotient of floats may fall just short of the integer that it is meant to be.
_ROUNDED_UP = 1 + 1e-12
#: Smallest mixed-sign mantissa.
_SMALLEST = -(1 << WEIGHT_BITS)
#: Registers that these networks leave at rest, and at what.
_AT_REST = {"refDelay": 1, "wgtExp": 0, "weight_exp": 0, "gradedSpike": 0, "messageBits": 0}


class NetxLayer(NamedTuple):
    """What registers hold of a layer."""

    mantissas: Any  #: (post, pre)
    recurrent: Any  #: (post, pre), or None
    threshold: int
    i_decay: int
    v_decay: int
    delays: Any = None  #: (post, pre) steps, or None


def netx_layers(network: DenseNetwork) -> list[NetxLayer]:
    """Mantissas and threshold of every layer.

    Raises
    ------
    InputError
        For an output that only integrates, a layer with delays and recurrent weights, delays of more than 62 steps, or
        neurons of a layer with different time constants.
    WeightError
        For a layer without weights, or whose sums, threshold, or a chip's exponent the registers do not hold: names
        the layer and the limit.
    """
    if not network.spiking_output:
        raise InputError(
            "the output layer only integrates (a loss of voltages), but netx networks answer by spikes; export NIR, "
            "or train with loss ttfs"
        )
    layers = []
    for k, (w, loop) in enumerate(zip(network.weights, network.recurrent, strict=True), 1):
        if not w.any():
            raise WeightError(f"all weights of layer {k} are 0; lava-dl cannot load that, and nothing would spike")
        p = _alike(network.neurons(k), k)
        mantissas, unit = _mantissas(w if loop is None else np.vstack([w, loop]))
        if network.mantissas and unit != 1:
            raise WeightError(
                f"layer {k}: its weights are mantissas times {unit:g}, but netx has no exponents; train with "
                f"clocked.theta_bits lower by {math.ceil(math.log2(unit))}, or export NIR"
            )
        threshold = int(p.theta[0] / p.gamma[0] / unit * _ROUNDED_UP)
        if not 0 < threshold <= _LARGEST_THRESHOLD:
            cure = "use a smaller dt" if threshold == 0 else "use a larger dt, or larger weights"
            raise WeightError(
                f"layer {k}: the threshold is {threshold} times a weight's unit, but must be in 1 .. "
                f"{_LARGEST_THRESHOLD}; {cure}"
            )
        volley = int(np.maximum(np.maximum(mantissas, 0).sum(axis=0), np.maximum(-mantissas, 0).sum(axis=0)).max())
        if volley > _LARGEST_SUM:
            raise WeightError(
                f"layer {k}: one spike of every input can add up to {volley}, but Lava's LIF wraps beyond "
                f"{_LARGEST_SUM}; train with fewer inputs or smaller weights"
            )
        recurrent = None if loop is None else mantissas[len(w) :].T
        i_decay, v_decay = (round((1 - decay[0]) * _UNITY) for decay in (p.beta, p.alpha))
        late = _steps_late(network, k)
        layers.append(NetxLayer(mantissas[: len(w)].T, recurrent, threshold, i_decay, v_decay, late))
    return layers


def _alike(p: LayerNeurons, k: int) -> LayerNeurons:
    """The neurons of layer k, if they are alike."""
    if any((values != values[0]).any() for values in p):
        raise InputError(
            f"layer {k}: its neurons have time constants of their own, but Lava's LIF has one pair of decays for all "
            f"of a layer; export NIR, or train without neuron.spread"
        )
    return p


def _steps_late(network: DenseNetwork, k: int) -> Any:
    """Delays of the weights of layer k, (post, pre) in steps; None: it has none."""
    late = network.delays[k - 1]
    if network.recurrent[k - 1] is not None and (late is not None or network.recurrent_delays[k - 1] is not None):
        raise InputError(
            f"layer {k} has delays and recurrent weights, but lava-dl's dense_rec gives both its matrices the same "
            f"delays, and forgets their exponent; export NIR, or train without either"
        )
    if late is None:
        return None
    steps = np.rint(late / network.dt)
    if steps.max() > DELAY_MAX:
        raise InputError(
            f"layer {k} has a delay of {late.max():g} ms, {steps.max():g} steps of {network.dt:g} ms, but netx holds "
            f"0 .. {DELAY_MAX} steps; use a larger dt"
        )
    each = steps if steps.ndim == 2 else steps[:, None]
    return np.broadcast_to(each, network.weights[k - 1].shape).T.astype(np.int64)


def _mantissas(w: Float64Array) -> tuple[Any, float]:
    """Even 8-bit mantissas and their unit: exact for nBP's weights and those of clocked networks, else rounded."""
    largest = float(np.abs(w).max())
    for unit in (1.0, 2.0 ** float(np.ceil(np.log2(largest / PLASTIC_WEIGHT_MAX)))):
        exact = w / unit
        if exact.min() >= _SMALLEST and exact.max() <= PLASTIC_WEIGHT_MAX and not np.any(exact % WEIGHT_STEP):
            return exact.astype(np.int64), unit
    unit = largest / PLASTIC_WEIGHT_MAX
    return (WEIGHT_STEP * np.rint(w / unit / WEIGHT_STEP)).astype(np.int64), unit


def write_netx(network: DenseNetwork, path: AnyPath) -> None:
    """Write a network as a netx file, whole or not at all.

    Raises
    ------
    InputError, WeightError
        As for `netx_layers`.
    OutputError
        If the file cannot be written.
    """
    h5py, layers = load_h5py(), netx_layers(network)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["simulation/Ts"] = 1
        for key, value in network.about.items():
            file.attrs[key] = value
        file.attrs["dt_ms"] = network.dt
        file["layer/0/type"], file["layer/0/shape"] = b"input", np.array([network.sizes[0]])
        for k, (mantissas, recurrent, threshold, i_decay, v_decay, delays) in enumerate(layers, 1):
            group = file.create_group(f"layer/{k}")
            group["type"] = b"dense" if recurrent is None else b"dense_rec"
            group["shape"] = np.array([len(mantissas)])
            group["inFeatures"], group["outFeatures"] = mantissas.shape[1], mantissas.shape[0]
            group["weight"] = mantissas
            if recurrent is not None:
                group["weight_rec"] = recurrent
            if delays is not None:
                group["delay"] = delays
            neuron = {
                "iDecay": i_decay, "vDecay": v_decay, "vThMant": threshold, "refDelay": 1, "wgtExp": 0, "tauRho": 1,
                "scaleRho": 1, "gradedSpike": False,
            }  # fmt: skip
            group["neuron/type"] = b"CUBA"
            for name, register in neuron.items():
                group[f"neuron/{name}"] = register
    write_atomically(path, buffer.getvalue())


def read_netx(path: AnyPath, p: Expected = None) -> dict[str, Float64Array]:
    """Weights (pre, post) of a netx file that holds a dense network, W1 .. Wn, in thresholds; recurrent ones are R1 ..

    Delays of weights are D1 .., in ms, by the step that the file's attribute dt_ms says: (pre, post), or (pre,) where
    all those of a source are the same.

    Parameters
    ----------
    path : path
        The file.
    p : NeuronParameters, optional
        Given, for all layers or for each: weights are the rise of the current I of ``tau_m dV/dt = -V + I``; the step
        follows from the decay of v and tau_m. None in the place of a layer: any time constants, which are tau_m1 .. and
        tau_s1 .., (n,) in ms, by the step that dt_ms says. Otherwise nothing may outlast a step (both decays 4096), as
        in nBP's neurons, and weights are what a spike adds to v.

    Raises
    ------
    InputError
        If the file cannot be read, or holds anything but dense layers of CUBA neurons without bias (and for nBP without
        delays and recurrent weights), delays of a recurrent layer, neurons with other dynamics, numbers that registers
        do not hold, or steps whose length is not said: names the layer.
    """
    path = as_path(path, "netx file")
    try:
        with open_network(path) as file:
            if "layer" not in file:
                raise InputError(f"{path} has no group 'layer', so it is no netx file; export it with lava-dl")
            return _layers(file["layer"], path, p, _Step(file.attrs.get("dt_ms"), path))
    except InputError:
        raise
    except Exception as error:  # h5py raises all kinds
        raise InputError(f"{path} cannot be read as a netx file: {error}; export it with lava-dl") from error


class _Step(NamedTuple):
    """The length of a step as a file says it, asked for where it matters."""

    given: Any
    path: Path

    def ms(self, why: str) -> float:
        """In ms; `why` it has to be known."""
        if self.given is None:
            raise InputError(
                f"{why}, which count in steps, but the file's attribute dt_ms does not say how long one is; set it, "
                f"in ms"
            )
        return check_real(np.ravel(self.given)[0], 0, 1e9, f"{self.path}: attribute dt_ms", above=True)


def _layers(layers: Any, path: Path, p: Expected, step: _Step) -> dict[str, Float64Array]:
    found: list[LayerRead] = []
    for k in range(len(layers)):
        group, where = layers[str(k)], f"{path}: layer {k}"
        kind = _text(group["type"])
        if kind in ("dense", "dense_rec"):
            known = None if p is None else _Known(expected_of(p, len(found) + 1, where), step)
            found.append(_dense(group, where, known, recurrent=kind == "dense_rec"))
        elif kind not in ("input", "flatten") or found:
            raise InputError(f"{where} is of type {kind}; only dense layers behind an input can be read")
        elif "neuron" in group or "weight" in group or "bias" in group:
            raise InputError(
                f"{where} is an input with neurons of its own, but the inputs of these networks are spikes; train "
                f"without an Input block, or with data that are spikes"
            )
    return LayerRead.named(found)


class _Known(NamedTuple):
    """What is known of EventProp's neurons of a layer (None: nothing), and of the step."""

    p: NeuronParameters | None
    step: _Step


def _text(dataset: Any) -> str:
    value = np.asarray(dataset[()]).ravel()[0]
    return value.decode() if isinstance(value, bytes) else str(value)


def _dense(group: Any, where: str, known: _Known | None, *, recurrent: bool) -> LayerRead:
    """A layer; known is None for nBP, which has no recurrent weights and no delays."""
    loops = recurrent and known is not None
    for key in ("bias", *(() if loops else ("weight_rec",)), *(() if known is not None else ("delay",))):
        if key in group and np.any(group[key][()]):
            raise InputError(f"{where} has a {key}, but these networks have none; train without")
    if "neuron" not in group:
        raise InputError(f"{where} has no neurons; train one with CUBA neurons behind every matrix")
    neuron = group["neuron"]
    kind = _text(neuron["type"])
    if kind not in ("CUBA", "LOIHI"):
        raise InputError(f"{where} has neurons of type {kind}; only CUBA neurons can be read")
    for key, rest in _AT_REST.items():
        if key in neuron and np.any(np.asarray(neuron[key][()]) != rest):
            raise InputError(f"{where} has {key} {np.ravel(neuron[key][()])[0]}, but these networks have {rest}")
    n_out = int(np.prod(group["shape"][()]))
    weights = _weights(group, "weight", n_out, where)
    loop = _weights(group, "weight_rec", n_out, where) if loops else None
    if loop is not None and loop.shape[0] != n_out:
        raise InputError(f"{where} has a weight_rec from {loop.shape[0]} to its {n_out} neurons; give a square matrix")
    threshold = _register(neuron, "vThMant", n_out, where, 1, _LARGEST_THRESHOLD)
    i_decay, v_decay = (_decay(neuron, key, n_out, where) for key in ("iDecay", "vDecay"))
    if known is None:
        if not (i_decay == v_decay == _UNITY):
            raise InputError(
                f"{where} has iDecay {i_decay:g} and vDecay {v_decay:g}, but nothing may outlast a step of nBP, whose "
                f"neurons have {_UNITY}; give a network of such, or train EventProp"
            )
        return LayerRead(weights / threshold)
    if not (0 < v_decay < _UNITY and 0 < i_decay < _UNITY):
        raise InputError(
            f"{where} has iDecay {i_decay:g} and vDecay {v_decay:g}; EventProp's currents and voltages decay, with "
            f"values in 1 .. {_UNITY - 1}"
        )
    late = _delays(group, weights.shape, where, known, v_decay, recurrent=recurrent) if "delay" in group else None
    if known.p is None:
        dt = known.step.ms(f"{where}: time constants of its own are wanted of its decays")
        p = NeuronParameters(dt * _steps(v_decay), dt * _steps(i_decay))
    else:
        p, dt = known.p, known.p.tau_m / _steps(v_decay)
        # Either decay is rounded: what they mean is a range.
        low, high = _steps(i_decay + 0.5) / _steps(v_decay - 0.5), _steps(i_decay - 0.5) / _steps(v_decay + 0.5)
        if not low * (1 - TIME_TOLERANCE) <= p.tau_s / p.tau_m <= high * (1 + TIME_TOLERANCE):
            raise InputError(
                f"{where}: with tau_m {p.tau_m:g} ms its currents decay with {dt * _steps(i_decay):.3g} ms, but this "
                f"experiment's tau_s is {p.tau_s:g} ms; set [neuron] to the file's ratio"
            )
    unit = threshold * response(dt, p)
    found = LayerRead(weights / unit, None if loop is None else loop / unit, late)
    if known.p is not None:
        return found
    return found._replace(tau_m=np.full(n_out, p.tau_m), tau_s=np.full(n_out, p.tau_s))


def _delays(
    group: Any, shape: tuple[int, ...], where: str, known: _Known, v_decay: float, *, recurrent: bool
) -> Float64Array | None:
    """Delays of a layer in ms, as lava-dl's reader takes them: of all, of every neuron, of every input, or of each."""
    given = check_reals(group["delay"][()], f"{where}: delay", "delays are in steps")
    bad = (given < 0) | (given > DELAY_MAX) | (given % 1 != 0)
    if bad.any():
        raise InputError(
            f"{where} has the delay {given[bad].flat[0]:g}, but synapses have whole steps in 0 .. {DELAY_MAX}; train "
            f"with such"
        )
    if recurrent:
        if not given.any():
            return None
        raise InputError(
            f"{where} has delays and recurrent weights, but lava-dl's dense_rec gives both its matrices the same "
            f"delays, and forgets their exponent; give a network without either"
        )
    n, post = shape
    if given.size == 1:
        steps = np.full(n, given.reshape(-1)[0])
    elif given.shape == (post,):  # in front of (n,), if they are as many
        steps = np.broadcast_to(given, shape)
    elif given.shape == (n,):
        steps = given
    elif given.shape == (post, n):
        steps = given[0] if (given == given[0]).all() else given.T
    else:
        raise InputError(f"{where} has a delay of shape {given.shape}, but must have one of ({post}, {n}); give such")
    if not steps.any():
        return np.zeros(steps.shape)
    dt = known.step.ms(f"{where} has delays")
    if known.p is not None:
        low, high = (known.p.tau_m / _steps(v_decay + shift) for shift in (-0.5, 0.5))
        if not low * (1 - TIME_TOLERANCE) <= dt <= high * (1 + TIME_TOLERANCE):
            raise InputError(
                f"{where}: with tau_m {known.p.tau_m:g} ms its vDecay {v_decay:g} means steps of "
                f"{known.p.tau_m / _steps(v_decay):.3g} ms, but the file's attribute dt_ms is {dt:g}; set [neuron] to "
                f"the file's, or dt_ms to its step"
            )
    return dt * steps


def _steps(decay: float) -> float:
    """The time constant of a decay in steps."""
    return -1 / float(np.log1p(-decay / _UNITY))


def _weights(group: Any, key: str, n_out: int, where: str) -> Float64Array:
    """Weights (pre, post) as synapses hold them."""
    if hasattr(group[key], "keys"):
        raise InputError(f"{where} has complex weights, but these networks have real ones; train without")
    given = check_reals(group[key][()], f"{where}: {key}")
    n_in = given.size // max(1, n_out)
    if not n_in or given.shape not in ((n_in * n_out,), (n_out, n_in)):
        raise InputError(f"{where} has a {key} of shape {given.shape} for {n_out} neurons; give a matrix (post, pre)")
    most = 1 << WEIGHT_BITS
    bad = (given % 1 != 0) | (given < -most) | (given >= most)
    if bad.any():
        raise InputError(
            f"{where} has the {key} {given[bad][0]:g}, but 8-bit synapses hold integers in {-most} .. {most - 1}; "
            f"export it quantised"
        )
    return given.reshape(n_out, -1).T


def _register(neuron: Any, key: str, n: int, where: str, low: int, high: int) -> Float64Array:
    """A register of a layer's neurons, (n,)."""
    value = check_reals(neuron[key][()], f"{where}: {key}").reshape(-1)
    if value.size not in (1, n):
        raise InputError(f"{where}: {key} has {value.size} entries for {n} neurons; give one for all, or one each")
    bad = (value < low) | (value > high) | (value % 1 != 0)
    if bad.any():
        never = ": an output of lava-dl that never spikes" if key == "vThMant" and (value > high).all() else ""
        raise InputError(
            f"{where} has {key} {value[bad][0]:g}{never}; its register holds integers in {low} .. {high}, so train "
            f"with spiking neurons of such"
        )
    return np.broadcast_to(value, (n,))


def _decay(neuron: Any, key: str, n: int, where: str) -> float:
    value = _register(neuron, key, n, where, 0, _UNITY)
    if (value != value[0]).any():
        raise InputError(f"{where}: {key} differs from neuron to neuron, but these networks have one; train so")
    return float(value[0])
