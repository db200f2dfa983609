"""Networks as lava-dl's netx files (HDF5), which `lava.lib.dl.netx.hdf5.Network` turns into Lava processes, and back.

A layer is a ``dense`` group with CUBA neurons: 8-bit weights (even mantissas m, -254 .. 254), 12-bit decays, and a
17-bit threshold. Lava's LIF does, in integers::

    u <- (u (4096 - iDecay)) >> 12 + 64 sum m,   v <- (v (4096 - vDecay)) >> 12 + u,   spike where v > 64 vThMant

(its shifts round toward 0), which for nBP is the same network, bit for bit, and for EventProp the same up to
rounding. Every layer's Dense takes one step.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from lava_nbp.base.extras import require
from lava_nbp.base.files import write_atomically
from lava_nbp.base.widths import (
    ALIGNMENT_BITS,
    PLASTIC_WEIGHT_MAX,
    STATE_BITS,
    THRESHOLD_BITS,
    VOLTAGE_DECAY_ALL,
    WEIGHT_BITS,
    WEIGHT_STEP,
)
from lava_nbp.errors import InputError, WeightError
from lava_nbp.eventprop.equations import NeuronParameters, response
from lava_nbp.exchange.dense import DenseNetwork, Float64Array

_UNITY, _LARGEST_THRESHOLD = VOLTAGE_DECAY_ALL, (1 << THRESHOLD_BITS) - 1
#: Lava's LIF shifts its input, and wraps currents beyond 24 bits.
_LARGEST_SUM = ((1 << (STATE_BITS - 1)) - 1) >> ALIGNMENT_BITS
#: Smallest mixed-sign mantissa.
_SMALLEST = -(1 << WEIGHT_BITS)
#: Time constants of a file may differ from the experiment's by so much: decays are rounded to 12 bits.
_TOLERANCE = 0.1


def netx_layers(network: DenseNetwork) -> list[tuple[Any, int]]:
    """Mantissas (post, pre) and threshold of every layer.

    Raises
    ------
    InputError
        For an output that only integrates.
    WeightError
        For a layer without weights, or whose sums or threshold the registers do not hold: names the layer and the
        limit.
    """
    if not network.spiking_output:
        raise InputError(
            "the output layer only integrates (loss max_voltage), but netx networks answer by spikes; export NIR, "
            "or train with loss ttfs"
        )
    layers = []
    for k, w in enumerate(network.weights, 1):
        if not w.any():
            raise WeightError(f"all weights of layer {k} are 0; lava-dl cannot load that, and nothing would spike")
        mantissas, unit = _mantissas(w)
        threshold = int(network.theta / network.gamma / unit)
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
        layers.append((mantissas.T, threshold))
    return layers


def _mantissas(w: Float64Array) -> tuple[Any, float]:
    """Even 8-bit mantissas and their unit: exact for nBP's weights and those of clocked networks, else rounded."""
    largest = float(np.abs(w).max())
    for unit in (1.0, 2.0 ** float(np.ceil(np.log2(largest / PLASTIC_WEIGHT_MAX)))):
        exact = w / unit
        if exact.min() >= _SMALLEST and exact.max() <= PLASTIC_WEIGHT_MAX and not np.any(exact % WEIGHT_STEP):
            return exact.astype(np.int64), unit
    unit = largest / PLASTIC_WEIGHT_MAX
    return (WEIGHT_STEP * np.rint(w / unit / WEIGHT_STEP)).astype(np.int64), unit


def write_netx(network: DenseNetwork, path: Path) -> None:
    """Write a network as a netx file, whole or not at all.

    Raises
    ------
    InputError, WeightError
        As for `netx_layers`.
    OutputError
        If the file cannot be written.
    """
    h5py, layers = _h5py(), netx_layers(network)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["simulation/Ts"] = 1
        for key, value in network.about.items():
            file.attrs[key] = value
        file.attrs["dt_ms"] = network.dt
        file["layer/0/type"], file["layer/0/shape"] = b"input", np.array([network.sizes[0]])
        for k, (mantissas, threshold) in enumerate(layers, 1):
            group = file.create_group(f"layer/{k}")
            group["type"], group["shape"] = b"dense", np.array([len(mantissas)])
            group["inFeatures"], group["outFeatures"] = mantissas.shape[1], mantissas.shape[0]
            group["weight"] = mantissas
            neuron = {
                "iDecay": round((1 - network.beta) * _UNITY), "vDecay": round((1 - network.alpha) * _UNITY),
                "vThMant": threshold, "refDelay": 1, "wgtExp": 0, "tauRho": 1, "scaleRho": 1, "gradedSpike": False,
            }  # fmt: skip
            group["neuron/type"] = b"CUBA"
            for name, register in neuron.items():
                group[f"neuron/{name}"] = register
    write_atomically(path, buffer.getvalue())


def read_netx(path: Path, p: NeuronParameters | None = None) -> list[Float64Array]:
    """Weights (pre, post) of a netx file that holds a dense feed-forward network, in thresholds.

    Parameters
    ----------
    path : path
        The file.
    p : NeuronParameters, optional
        Given: weights are the rise of the current I of ``tau_m dV/dt = -V + I``; the step follows from the decay of v
        and tau_m. Otherwise they are what a spike adds to v in its step.

    Raises
    ------
    InputError
        If the file cannot be read, or holds anything but dense layers of CUBA neurons without bias and delay, or
        neurons with other time constants: names the layer.
    """
    h5py = _h5py()
    matrices: list[Float64Array] = []
    try:
        with h5py.File(path, "r") as file:
            if "layer" not in file:
                raise InputError(f"{path} has no group 'layer', so it is no netx file; export it with lava-dl")
            for k in range(len(file["layer"])):
                group = file[f"layer/{k}"]
                kind = _text(group["type"])
                if kind in ("input", "flatten"):
                    continue
                if kind != "dense":
                    raise InputError(f"{path}: layer {k} is of type {kind}; only dense layers can be read")
                matrices.append(_dense(group, f"{path}: layer {k}", p))
    except (OSError, KeyError, ValueError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} cannot be read as a netx file: {error}; export it with lava-dl") from error
    return matrices


def _h5py() -> Any:
    return require("h5py", "exchange", "a netx file")


def _text(dataset: Any) -> str:
    value = np.asarray(dataset[()]).ravel()[0]
    return value.decode() if isinstance(value, bytes) else str(value)


def _dense(group: Any, where: str, p: NeuronParameters | None) -> Float64Array:
    for key in ("bias", "delay"):
        if key in group and np.any(group[key][()]):
            raise InputError(f"{where} has a {key}, but these networks have none; train without {key}s")
    neuron = group["neuron"]
    kind = _text(neuron["type"])
    if kind not in ("CUBA", "LOIHI"):
        raise InputError(f"{where} has neurons of type {kind}; only CUBA neurons can be read")
    n_out = int(np.prod(group["shape"][()]))
    weights = np.asarray(group["weight"][()], dtype=np.float64).reshape(n_out, -1).T
    threshold, i_decay, v_decay = (float(neuron[key][()]) for key in ("vThMant", "iDecay", "vDecay"))
    if p is None:
        return weights / threshold
    if not (0 < v_decay < _UNITY and 0 < i_decay < _UNITY):
        raise InputError(
            f"{where} has iDecay {i_decay:g} and vDecay {v_decay:g}; EventProp's currents and voltages decay, with "
            f"values in 1 .. {_UNITY - 1}"
        )
    dt = -p.tau_m * float(np.log1p(-v_decay / _UNITY))
    tau_s = -dt / float(np.log1p(-i_decay / _UNITY))
    if abs(tau_s / p.tau_s - 1) > _TOLERANCE:
        raise InputError(
            f"{where}: with tau_m {p.tau_m:g} ms its currents decay with {tau_s:.3g} ms, but this experiment's tau_s "
            f"is {p.tau_s:g} ms; set [neuron] to the file's ratio"
        )
    return weights / threshold / response(dt, p)
