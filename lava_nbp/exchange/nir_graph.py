"""Networks as NIR graphs (Pedersen et al., Nature Communications 15, 8122, 2024), and back.

A layer is a ``nir.Linear`` and a neuron node: ``nir.LIF`` where no current outlasts a step (nBP), else ``nir.CubaLIF``;
``nir.CubaLI`` for an output that only integrates. Recurrent weights are one more ``nir.Linear``, from the neurons and
back to them, whose spikes act in the next step (in nirtorch's cycles, Norse's, too), as ours do. Simulators integrate
NIR's equations by forward Euler::

    I <- I + dt / tau_syn (-I + w_in S),    v <- v + dt / tau_mem (-v + r I)

so that the time constants written here are those with which Euler's step is the network's own, exact one::

    tau_mem = dt / (1 - alpha),  tau_syn = dt / (1 - beta),  w_in = tau_syn / dt,  r = gamma / (1 - alpha)

They differ from the physical ones by about dt / 2, and hold for that dt only: it is in the metadata of the graph, in s;
beside it "gain", the r of these constants, by which a graph of this kind is known, and the threshold "theta" that the
weights of an output without one count in.

What is read must be the dynamics of the experiment, node by node: neurons that forget everything in a step for nBP, its
time constants for EventProp. Anything else is refused. A recurrent layer may be a graph in the graph, as snnTorch
writes it.
"""

from __future__ import annotations

import os
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lava_nbp.base.checks import check_real, check_reals
from lava_nbp.base.extras import require
from lava_nbp.base.files import AnyPath, as_path, write_atomically
from lava_nbp.errors import InputError
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.exchange.dense import TIME_TOLERANCE, DenseNetwork, Float64Array, named
from lava_nbp.exchange.hdf5 import open_network

_NEURONS = ("LIF", "CubaLIF", "IF", "Threshold", "I", "LI", "CubaLI")
_SYNAPSES = ("Linear", "Affine")
#: Constants are float32 in many files.
_ROUNDED = 1e-5


def _nir() -> Any:
    return require("nir", "exchange", "a NIR graph")


def to_nir(network: DenseNetwork) -> Any:
    """The graph of a network: a ``nir.NIRGraph`` with nodes input, w1, n1, w2, n2, ..., output.

    Where layer k has recurrent weights there is a node rk, with edges from nk and to nk.

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
    loops = {f"n{k}": (f"r{k}", loop) for k, loop in enumerate(network.recurrent, 1) if loop is not None}
    edges = []
    for source, target in list(pairwise(nodes)):
        if source in loops:  # before the edge to the next layer: nirtorch takes what comes last for the output
            name, loop = loops[source]
            nodes[name] = nir.Linear(weight=loop.T.astype(np.float32))
            edges += [(source, name), (name, source)]
        edges.append((source, target))
    return nir.NIRGraph(
        nodes=nodes,
        edges=edges,
        metadata={**network.about, "dt": dt, "gain": network.gain, "theta": network.theta},
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


def write_nir(network: DenseNetwork, path: AnyPath) -> None:
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


def read_nir(
    path: AnyPath, p: NeuronParameters | None = None, *, spiking_output: bool = True
) -> dict[str, Float64Array]:
    """Weights (pre, post) of a NIR file that holds one dense chain, W1 .. Wn, in thresholds.

    Recurrent weights, from neurons to themselves through one matrix, are R1 .. by the number of their layer.

    Parameters
    ----------
    path : path
        The file.
    p : NeuronParameters, optional
        Given: the neurons must be CubaLIF with these time constants, and weights are the rise of the current per spike,
        w w_in dt / tau_syn r / (v_threshold - v_leak). Otherwise nothing may outlast a step, as in nBP's neurons: LIF
        whose tau is dt, CubaLIF whose two are, or Threshold; and weights are the rise of the voltage.
    spiking_output : bool
        False: the last layer only integrates (CubaLI), and its weights count in the threshold that the graph's metadata
        name, or in 1.

    Raises
    ------
    InputError
        If nir is not installed, or the file cannot be read; for nodes, biases, loops or branches that dense networks do
        not have (those of nBP have no loops at all), other dynamics than these, or numbers that are not finite: names
        the node.
    """
    path = as_path(path, "NIR file")
    graph = _read(path)
    marks = _Marks.of(graph, path)
    graph = _flat(graph, path)
    loops = _loops(graph, path)
    matrices: list[Float64Array] = []
    recurrent: list[Float64Array | None] = []
    waiting: tuple[str, Float64Array] | None = None
    names = _chain(graph, set(loops.values()), path)
    last = next((name for name in reversed(names) if _kind(graph.nodes[name]) in _NEURONS), "")
    for name in names:
        node, kind, where = graph.nodes[name], _kind(graph.nodes[name]), f"{path}: node {name}"
        if kind == "Input" or (kind == "Output" and name == names[-1]):
            continue
        if kind == "Flatten" and waiting is None and not matrices:
            continue
        if kind in _SYNAPSES and waiting is None:
            waiting = name, _matrix(node, kind, where)
        elif kind in _NEURONS and waiting is not None:
            fires = spiking_output or name != last
            n = waiting[1].shape[1]
            if name in loops and (p is None or not fires):
                raise InputError(
                    f"{path}: node {loops[name]} leads from node {name} back to it, but "
                    f"{'nBP has no recurrent layers' if p is None else 'what only integrates has no spikes'}; give a "
                    f"network without"
                )
            factor = _binary(node, kind, where, n, marks) if p is None else _leaky(node, where, n, marks, p, fires)
            matrices.append(_scaled(waiting[1], factor, f"{path}: node {waiting[0]}"))
            recurrent.append(_recurrent(graph, loops[name], factor, path) if name in loops else None)
            waiting = None
        else:
            raise InputError(
                f"{where} is a {kind}, where a dense chain has {' or '.join(_SYNAPSES)} and neurons "
                f"({', '.join(_NEURONS)}) in turn; only dense layers, one behind the other, can be read"
            )
    if waiting is not None or not matrices:
        raise InputError(f"{path}: the graph ends without neurons; give a network whose last layer is one of neurons")
    return named(matrices, recurrent)


def _scaled(weights: Float64Array, factor: Float64Array, where: str) -> Float64Array:
    """Weights (pre, post) in thresholds."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = weights * factor
    return check_reals(scaled, f"{where}, in thresholds,")


def _recurrent(graph: _Graph, name: str, factor: Float64Array, path: Path) -> Float64Array:
    """Recurrent weights of a layer in thresholds, out of a node."""
    where = f"{path}: node {name}"
    weights = _matrix(graph.nodes[name], _kind(graph.nodes[name]), where)
    if weights.shape != (len(factor), len(factor)):
        raise InputError(
            f"{where}: its weight has shape {weights.shape}, but leads from {len(factor)} neurons back to them; give a "
            f"matrix as large"
        )
    return _scaled(weights, factor, where)


def _read(path: Path) -> Any:
    """The graph of a file."""
    nir = _nir()
    try:
        with open_network(path):
            graph = nir.read(path)
    except InputError:
        raise
    except Exception as error:  # h5py and nir raise all kinds
        said = " ".join(str(error).split())
        raise InputError(f"{path} cannot be read as a NIR graph: {said}; write it with nir.write") from error
    if _kind(graph) != "NIRGraph":
        raise InputError(f"{path} holds a {_kind(graph)}, which is no network; write a nir.NIRGraph")
    return graph


def _kind(node: Any) -> str:
    return type(node).__name__


class _Graph(NamedTuple):
    """Nodes by name, and edges, without graphs among the nodes."""

    nodes: dict[str, Any]
    edges: list[tuple[str, str]]


def _flat(graph: Any, path: Path) -> _Graph:
    """A graph whose nodes that are graphs, with one input and one output each, are replaced by what they hold."""
    nodes: dict[str, Any] = {}
    edges = [(str(source), str(target)) for source, target in graph.edges]
    for name, node in graph.nodes.items():
        if _kind(node) != "NIRGraph":
            nodes[name] = node
            continue
        ends = [[inner for inner, n in node.nodes.items() if _kind(n) == kind] for kind in ("Input", "Output")]
        if len(ends[0]) != 1 or len(ends[1]) != 1:
            raise InputError(
                f"{path}: node {name} is a graph with {len(ends[0])} inputs and {len(ends[1])} outputs; only graphs "
                f"with one of each can be read in a graph"
            )
        (first,), (last,) = ends
        nodes |= {f"{name}.{inner}": n for inner, n in node.nodes.items() if inner not in (first, last)}
        inside = [(f"{name}.{a}", f"{name}.{b}") for a, b in node.edges]
        begins = [b for a, b in inside if a == f"{name}.{first}"]
        stops = [a for a, b in inside if b == f"{name}.{last}"]
        ahead = [(a, b) for a, b in inside if a != f"{name}.{first}" and b != f"{name}.{last}"]
        for a, b in edges:
            ahead += [(s, t) for s in (stops if a == name else [a]) for t in (begins if b == name else [b])]
        edges = ahead
    return _Graph(nodes, edges)


def _loops(graph: _Graph, path: Path) -> dict[str, str]:
    """Synapses that lead from neurons back to the same neurons, and nowhere else, by the name of the neurons."""
    loops: dict[str, str] = {}
    for name, node in graph.nodes.items():
        sources = [a for a, b in graph.edges if b == name]
        targets = [b for a, b in graph.edges if a == name]
        if _kind(node) not in _SYNAPSES or len(sources) != 1 or sources != targets:
            continue
        if _kind(graph.nodes.get(sources[0])) not in _NEURONS:
            continue
        if sources[0] in loops:
            raise InputError(
                f"{path}: nodes {loops[sources[0]]} and {name} both lead from node {sources[0]} back to it; give one "
                f"matrix, their sum"
            )
        loops[sources[0]] = name
    return loops


class _Marks(NamedTuple):
    """What the metadata of a graph say: the step in s, the r of Euler's constants, the threshold; None: nothing."""

    dt: float | None
    gain: float | None
    theta: float | None

    @classmethod
    def of(cls, graph: Any, path: Path) -> _Marks:
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


def _matrix(node: Any, kind: str, where: str) -> Float64Array:
    """Weights (pre, post) of a node without bias."""
    if kind == "Affine" and np.any(node.bias):
        raise InputError(f"{where} has a bias, but these networks have none; train without biases")
    weight = check_reals(node.weight, f"{where}: weight")
    if weight.ndim != 2 or not weight.size:
        raise InputError(f"{where}: its weight has shape {weight.shape}; give a matrix")
    return weight.T


def _values(node: Any, key: str, n: int, where: str) -> Float64Array:
    """A constant of a node, (n,)."""
    value = check_reals(getattr(node, key), f"{where}: {key}")
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


def _binary(node: Any, kind: str, where: str, n: int, marks: _Marks) -> Float64Array:
    """Factor on the weights of each neuron, of those that forget everything in a step."""
    if kind == "Threshold":
        return 1 / _positive(_values(node, "threshold", n, where), where)
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
    return rise / _heights(node, n, where)


def _leaky(node: Any, where: str, n: int, marks: _Marks, p: NeuronParameters, fires: bool) -> Float64Array:
    """Factor on the weights of each neuron, of those with a current and a voltage that decay."""
    kind, wanted = _kind(node), "CubaLIF" if fires else "CubaLI"
    if kind != wanted:
        raise InputError(
            f"{where} is a {kind}, but this layer of the experiment has neurons with a current that "
            f"{'spike' if fires else 'only integrate, for its loss of voltages'}; give {wanted}"
        )
    dt = _step(marks, where)
    for key, ms, name in (("tau_mem", p.tau_m, "tau_m"), ("tau_syn", p.tau_s, "tau_s")):
        tau = 1000 * _physical(_values(node, key, n, where), key, dt, marks.gain, where)
        other = ~(np.abs(tau / ms - 1) <= TIME_TOLERANCE)
        if other.any():
            raise InputError(
                f"{where}: {key} is {tau[other][0]:.4g} ms (neuron {int(np.argmax(other))}), but neuron.{name} of this "
                f"experiment is {ms:g} ms, for all neurons; set [neuron] to the file's, if they are the same there"
            )
    rise = _values(node, "r", n, where) / (marks.gain or 1.0)
    rise = rise * _values(node, "w_in", n, where) * (dt / _values(node, "tau_syn", n, where))
    if fires:
        return rise / _heights(node, n, where)
    rest = _values(node, "v_leak", n, where)
    if rest.any():
        raise InputError(f"{where}: v_leak is {rest[rest != 0][0]:g}, but our outputs rest at 0; give such a network")
    return rise / (marks.theta or 1.0)


def _physical(tau: Float64Array, key: str, dt: float, gain: float | None, where: str) -> Float64Array:
    """Time constants that a node means, in s: of a graph with Euler's constants those of the exact step."""
    if not (tau > (0 if gain is None else dt)).all():
        raise InputError(
            f"{where}: {key} is {tau.min():g} s, but must be more than {'0' if gain is None else f'dt = {dt:g} s'}"
        )
    return tau if gain is None else -dt / np.log1p(-dt / tau)


def _step(marks: _Marks, where: str) -> float:
    if marks.dt is None:
        raise InputError(
            f"{where} has time constants, but the graph's metadata do not say dt, the step in s that its weights are "
            f"for; write it with metadata={{'dt': 0.001}}, if that is the step"
        )
    return marks.dt


def _chain(graph: _Graph, loops: set[str], path: Path) -> list[str]:
    """Names of the nodes, in the order of a chain from the input, without those in `loops`."""
    after: dict[str, list[str]] = {}
    for source, target in (edge for edge in graph.edges if loops.isdisjoint(edge)):
        after.setdefault(source, []).append(target)
    starts = [name for name, node in graph.nodes.items() if _kind(node) == "Input"]
    if len(starts) != 1:
        raise InputError(f"{path} has {len(starts)} input nodes; only networks with one can be read")
    names = starts
    seen = set(starts)
    while names[-1] in after:
        nexts = after[names[-1]]
        if len(nexts) > 1 or nexts[0] in seen or nexts[0] not in graph.nodes:
            raise InputError(
                f"{path}: node {names[-1]} leads to {', '.join(sorted(nexts))}: a branch or a loop, or nowhere; only "
                f"chains can be read, and neurons with one matrix from and to themselves"
            )
        names.append(nexts[0])
        seen.add(nexts[0])
    left = sorted(set(graph.nodes) - seen - loops)
    if left:
        raise InputError(f"{path}: nodes {', '.join(left)} are not in the chain from the input; remove them")
    return names
