"""Networks as NIR graphs (Pedersen et al., Nature Communications 15, 8122, 2024), and back.

A layer is a ``nir.Linear`` and a neuron node: ``nir.LIF`` where no current outlasts a step (nBP), else ``nir.CubaLIF``;
``nir.CubaLI`` for an output that only integrates. Simulators integrate NIR's equations by forward Euler::

    I <- I + dt / tau_syn (-I + w_in S),    v <- v + dt / tau_mem (-v + r I)

so that the time constants written here are those with which Euler's step is the network's own, exact one::

    tau_mem = dt / (1 - alpha),  tau_syn = dt / (1 - beta),  w_in = tau_syn / dt,  r = gamma / (1 - alpha)

They differ from the physical ones by about dt / 2, and hold for that dt only: it is in the metadata of the graph, in s.
"""

from __future__ import annotations

import os
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from lava_nbp.base.extras import require
from lava_nbp.base.files import write_atomically
from lava_nbp.errors import InputError
from lava_nbp.exchange.dense import DenseNetwork, Float64Array

_NEURONS = ("LIF", "CubaLIF", "IF", "Threshold", "LI", "CubaLI")
_SYNAPSES = ("Linear", "Affine")


def _nir() -> Any:
    return require("nir", "exchange", "a NIR graph")


def to_nir(network: DenseNetwork) -> Any:
    """The graph of a network: a ``nir.NIRGraph`` with nodes input, w1, n1, w2, n2, ..., output.

    Raises
    ------
    InputError
        If nir is not installed.
    """
    nir = _nir()
    dt = network.dt / 1000  # NIR counts in s
    nodes: dict[str, Any] = {"input": nir.Input(input_type={"input": np.array([network.sizes[0]])})}
    for k, w in enumerate(network.weights, 1):
        nodes[f"w{k}"] = nir.Linear(weight=w.T.astype(np.float32))
        last = k == len(network.weights)
        nodes[f"n{k}"] = _neurons(nir, network, w.shape[1], spiking=network.spiking_output or not last)
    nodes["output"] = nir.Output(output_type={"output": np.array([network.sizes[-1]])})
    names = list(nodes)
    return nir.NIRGraph(
        nodes=nodes,
        edges=list(pairwise(names)),
        metadata={**network.about, "dt": dt, "gain": network.gain},
    )


def _neurons(nir: Any, network: DenseNetwork, n: int, *, spiking: bool) -> Any:
    dt = network.dt / 1000

    def all_of(value: float) -> Any:
        return np.full(n, value, dtype=np.float32)

    tau_mem, zero, theta = all_of(dt / (1 - network.alpha)), all_of(0), all_of(network.theta)
    if network.beta == 0 and spiking:
        return nir.LIF(tau=tau_mem, r=all_of(network.gain), v_leak=zero, v_threshold=theta, v_reset=zero)
    tau_syn = dt / (1 - network.beta)
    current = {
        "tau_syn": all_of(tau_syn), "tau_mem": tau_mem, "r": all_of(network.gain), "v_leak": zero,
        "w_in": all_of(tau_syn / dt),
    }  # fmt: skip
    return nir.CubaLIF(**current, v_threshold=theta, v_reset=zero) if spiking else nir.CubaLI(**current)


def write_nir(network: DenseNetwork, path: Path) -> None:
    """Write a network as a NIR file (HDF5), whole or not at all.

    Raises
    ------
    InputError
        If nir is not installed.
    OutputError
        If the file cannot be written.
    """
    nir, graph = _nir(), to_nir(network)
    with tempfile.TemporaryDirectory() as folder:
        made = os.path.join(folder, "graph.nir")
        nir.write(made, graph)
        write_atomically(path, Path(made).read_bytes())


def read_nir(path: Path) -> list[Float64Array]:
    """Weights (pre, post) of a NIR file that holds one dense feed-forward chain.

    In thresholds of the layers they lead to: w r / (v_threshold - v_leak); for a CubaLIF also times
    w_in dt / tau_syn where the graph's metadata names dt, which makes it the rise of the current per spike, else
    times w_in. An output that only integrates has threshold 1.

    Raises
    ------
    InputError
        If nir is not installed, or the file cannot be read; for nodes, biases, loops or branches that dense
        feed-forward networks do not have: names the node.
    """
    nir = _nir()
    try:
        graph = nir.read(path)
    except Exception as error:  # h5py and nir raise all kinds
        raise InputError(f"{path} cannot be read as a NIR graph: {error}; write it with nir.write") from error
    matrices: list[Float64Array] = []
    waiting: Float64Array | None = None
    dt = graph.metadata.get("dt") if isinstance(graph.metadata, dict) else None
    gain = float(graph.metadata.get("gain", 1.0)) if isinstance(graph.metadata, dict) else 1.0
    for name in _chain(graph, path):
        node, kind = graph.nodes[name], type(graph.nodes[name]).__name__
        if kind in ("Input", "Output", "Flatten"):
            continue
        if kind in _SYNAPSES and waiting is None:
            if kind == "Affine" and np.any(node.bias):
                raise InputError(f"{path}: node {name} has a bias, but these networks have none; train without biases")
            waiting = np.asarray(node.weight, dtype=np.float64).T
            if waiting.ndim != 2:
                raise InputError(f"{path}: the weight of node {name} has shape {node.weight.shape}; give a matrix")
        elif kind in _NEURONS and waiting is not None:
            matrices.append(waiting * _in_thresholds(node, kind, name, dt, gain, path))
            waiting = None
        else:
            raise InputError(
                f"{path}: node {name} is a {kind}, where a dense chain has {' or '.join(_SYNAPSES)} and neurons "
                f"({', '.join(_NEURONS)}) in turn; only dense feed-forward networks can be read"
            )
    if waiting is not None or not matrices:
        raise InputError(f"{path}: the graph ends without neurons; give a network whose last layer is one of neurons")
    return matrices


def _in_thresholds(node: Any, kind: str, name: str, dt: Any, gain: float, path: Path) -> Float64Array:
    """Factor on the weights of each neuron."""
    if kind == "Threshold":
        height, r = node.threshold, np.ones_like(node.threshold)
    else:
        leak = getattr(node, "v_leak", 0.0)
        height = np.asarray(getattr(node, "v_threshold", 1.0)) - leak
        r = np.asarray(node.r) / gain
        if kind.startswith("Cuba"):
            r = r * node.w_in * (1.0 if dt is None else float(dt) / np.asarray(node.tau_syn))
    height = np.asarray(height, dtype=np.float64)
    if not (np.isfinite(height) & (height > 0)).all():
        raise InputError(f"{path}: thresholds of node {name} are not above its rest; they must be")
    factor: Float64Array = np.asarray(r, dtype=np.float64) / height
    return factor


def _chain(graph: Any, path: Path) -> list[str]:
    """Names of the nodes, in the order of a chain from the input."""
    after: dict[str, list[str]] = {}
    for source, target in graph.edges:
        after.setdefault(source, []).append(target)
    starts = [name for name, node in graph.nodes.items() if type(node).__name__ == "Input"]
    if len(starts) != 1:
        raise InputError(f"{path} has {len(starts)} input nodes; only networks with one can be read")
    names = starts
    while names[-1] in after:
        nexts = after[names[-1]]
        if len(nexts) > 1 or nexts[0] in names:
            raise InputError(
                f"{path}: node {names[-1]} leads to {', '.join(sorted(nexts))}: a branch or a loop; only feed-forward "
                f"chains can be read"
            )
        names = [*names, nexts[0]]
    if len(names) != len(graph.nodes):
        left = sorted(set(graph.nodes) - set(names))
        raise InputError(f"{path}: nodes {', '.join(left)} are not in the chain from the input; remove them")
    return names
