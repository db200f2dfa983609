"""Networks as NIR graphs (Pedersen et al., Nature Communications 15, 8122, 2024), and back.

A layer is a ``nir.Linear`` and a neuron node: ``nir.LIF`` where no current outlasts a step (nBP), else ``nir.CubaLIF``;
``nir.CubaLI`` for an output that only integrates. Recurrent weights are one more ``nir.Linear``, from the neurons and
back to them, whose spikes act in the next step (in nirtorch's cycles, Norse's, too), as ours do. Simulators integrate
NIR's equations by forward Euler::

    I <- I + dt / tau_syn (-I + w_in S),    v <- v + dt / tau_mem (-v + r I)

so that the time constants written here are those with which Euler's step is the network's own, exact one::

    tau_mem = dt / (1 - alpha),  tau_syn = dt / (1 - beta),  w_in = tau_syn / dt,  r = gamma / (1 - alpha)

They differ from the physical ones by about dt / 2, and hold for that dt only: it is in the metadata of the graph, in s;
beside it the threshold "theta" that the weights of an output without one count in. The metadata of neurons have "gain",
the r of these constants, by which a node of this kind is known. Constants are arrays, an entry per neuron.

Delays are ``nir.Delay`` nodes in front of the matrices, in s, of every source, or of copies of it where every synapse
has its own; see `lava_nbp.exchange.nir_connection`.

What is read must be the dynamics of the experiment, node by node: neurons that forget everything in a step for nBP, its
time constants for EventProp. Anything else is refused. A recurrent layer may be a graph in the graph, as snnTorch
writes it.
"""

from __future__ import annotations

import os
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from lava_nbp.base.checks import check_reals
from lava_nbp.base.extras import require
from lava_nbp.base.files import AnyPath, as_path, write_atomically
from lava_nbp.errors import InputError
from lava_nbp.exchange.dense import DenseNetwork, Expected, Float64Array, LayerRead, expected_of
from lava_nbp.exchange.hdf5 import open_network
from lava_nbp.exchange.nir_chain import DELAY, NEURONS, SYNAPSES, Graph, kind_of
from lava_nbp.exchange.nir_connection import Connection, connection_nodes, is_whole, may_follow, read_connection
from lava_nbp.exchange.nir_neurons import Marks, NeuronsRead, neuron_node, read_binary, read_leaky


def _nir() -> Any:
    return require("nir", "exchange", "a NIR graph")


def to_nir(network: DenseNetwork) -> Any:
    """The graph of a network: a ``nir.NIRGraph`` with nodes input, w1, n1, w2, n2, ..., output.

    Where layer k has recurrent weights there is a node rk, with edges from nk and to nk. Where the network has delays
    there are Delays dk and ek in front of the matrices wk and rk; and where every synapse has its own, copies ck and bk
    in front of these.

    Raises
    ------
    InputError
        If nir is not installed; for delays of synapses that need more lines than 10000.
    """
    nir = _nir()
    nodes: dict[str, Any] = {"input": nir.Input(input_type={"input": np.array([network.sizes[0]])})}
    loops: dict[str, dict[str, Any]] = {}
    every = zip(network.weights, network.delays, network.recurrent, network.recurrent_delays, strict=True)
    for k, (w, late, loop, loop_late) in enumerate(every, 1):
        nodes |= connection_nodes(nir, (f"c{k}", f"d{k}", f"w{k}"), w, late, f"delays of the weights of layer {k}")
        nodes[f"n{k}"] = neuron_node(nir, network, k)
        if loop is not None:
            what = f"delays of the recurrent weights of layer {k}"
            loops[f"n{k}"] = connection_nodes(nir, (f"b{k}", f"e{k}", f"r{k}"), loop, loop_late, what)
    nodes["output"] = nir.Output(output_type={"output": np.array([network.sizes[-1]])})
    edges: list[tuple[str, str]] = []
    for source, target in list(pairwise(nodes)):
        if source in loops:  # before the edge to the next layer: nirtorch takes what comes last for the output
            nodes |= loops[source]
            edges += pairwise([source, *loops[source], source])
        edges.append((source, target))
    unit = float(network.neurons(len(network.weights)).theta[0])
    metadata = {**network.about, "dt": network.dt / 1000, "theta": unit}  # NIR counts in s
    return nir.NIRGraph(nodes=nodes, edges=edges, metadata=metadata)


def write_nir(network: DenseNetwork, path: AnyPath) -> None:
    """Write a network as a NIR file (HDF5), whole or not at all.

    Raises
    ------
    InputError
        As `to_nir`.
    OutputError
        If the file cannot be written.
    """
    nir, graph = _nir(), to_nir(network)
    with tempfile.TemporaryDirectory() as folder:
        made = os.path.join(folder, "graph.nir")
        nir.write(made, graph)
        write_atomically(path, Path(made).read_bytes())


def read_nir(path: AnyPath, p: Expected = None, *, spiking_output: bool = True) -> dict[str, Float64Array]:
    """Weights (pre, post) of a NIR file that holds one dense chain, W1 .. Wn, in thresholds.

    Recurrent weights, from neurons to themselves through one matrix, are R1 .. by the number of their layer. Delays of
    weights are D1 .., of recurrent weights E1 .., in ms: (pre,) of a Delay in front of the matrix, (pre, post) of one
    behind it, or of copies of the sources. Delays come back in all bits as they were written, and weights that float32
    holds, where thresholds are powers of 2; time constants to what float32 holds of them.

    Parameters
    ----------
    path : path
        The file.
    p : NeuronParameters, optional
        Given, for all layers or for each: the neurons must be CubaLIF with these time constants, and weights are the
        rise of the current per spike, w w_in dt / tau_syn r / (v_threshold - v_leak). None in the place of a layer: any
        time constants, which are tau_m1 .. and tau_s1 .., (n,) in ms. Otherwise nothing may outlast a step, as in nBP's
        neurons: LIF whose tau is dt, CubaLIF whose two are, or Threshold; and weights are the rise of the voltage.
    spiking_output : bool
        False: the last layer only integrates (CubaLI), and its weights count in the threshold that the graph's metadata
        name, or in 1.

    Raises
    ------
    InputError
        If nir is not installed, or the file cannot be read; for nodes, biases, loops or branches that dense networks do
        not have (those of nBP have no loops and delays at all), other dynamics than these, delays outside 0 .. 1e9 ms,
        or numbers that are not finite: names the node.
    """
    path = as_path(path, "NIR file")
    given = _read(path)
    marks, graph = Marks.of(given, path), Graph.flat(given, path)
    loops = graph.loops(path)
    names = graph.chain({name for way in loops.values() for name in way}, path)
    last = next((name for name in reversed(names) if kind_of(graph.nodes[name]) in NEURONS), "")
    layers: list[LayerRead] = []
    way: list[str] = []
    for name in names:
        node, kind, where = graph.nodes[name], kind_of(graph.nodes[name]), f"{path}: node {name}"
        passed = [graph.nodes[before] for before in way]
        if kind == "Input" or (kind == "Output" and name == names[-1]):
            continue
        if kind == "Flatten" and not way and not layers:
            continue
        if (kind in SYNAPSES and not passed) or (p is not None and may_follow(passed, node)):
            way.append(name)
        elif kind in NEURONS and is_whole(passed):
            forward = _way(graph, way, path)
            fires, n = spiking_output or name != last, forward.weights.shape[1]
            if name in loops and (p is None or not fires):
                raise InputError(
                    f"{path}: node {loops[name][0]} leads from node {name} back to it, but "
                    f"{'nBP has no recurrent layers' if p is None else 'what only integrates has no spikes'}; give a "
                    f"network without"
                )
            expected = expected_of(p, len(layers) + 1, where)
            neurons = (
                read_binary(node, where, n, marks)
                if p is None
                else read_leaky(node, where, n, marks, expected, fires=fires)
            )
            layers.append(_layer(graph, neurons, forward, way[-1], loops.get(name, []), path))
            way = []
        else:
            raise InputError(
                f"{where} is a {kind}, where a dense chain has {' or '.join(SYNAPSES)} and neurons "
                f"({', '.join(NEURONS)}) in turn{'' if p is None else f', and {DELAY} in front of a matrix'}; only "
                f"dense layers, one behind the other, can be read"
            )
    if way or not layers:
        raise InputError(f"{path}: the graph ends without neurons; give a network whose last layer is one of neurons")
    return LayerRead.named(layers)


def _way(graph: Graph, names: list[str], path: Path) -> Connection:
    """What leads from neurons to neurons through nodes of these names."""
    return read_connection([(f"{path}: node {name}", graph.nodes[name]) for name in names])


def _layer(
    graph: Graph, neurons: NeuronsRead, forward: Connection, matrix: str, loop: list[str], path: Path
) -> LayerRead:
    """A layer, with its recurrent weights if there is a way of nodes for them."""
    factor = neurons.factor
    layer = LayerRead(
        _scaled(forward.weights, factor, f"{path}: node {matrix}"),
        D=forward.delays,
        tau_m=neurons.tau_m,
        tau_s=neurons.tau_s,
    )
    if not loop:
        return layer
    where = f"{path}: node {loop[-1]}"
    if not is_whole([graph.nodes[name] for name in loop]):
        raise InputError(
            f"{where} leads back to the neurons that it comes from, but a recurrent layer has one matrix there, with a "
            f"{DELAY} in front of it as may be; give such a network"
        )
    back = _way(graph, loop, path)
    if back.weights.shape != (len(factor), len(factor)):
        raise InputError(
            f"{where}: its weight has shape {back.weights.shape}, but leads from {len(factor)} neurons back to them; "
            f"give a matrix as large"
        )
    return layer._replace(R=_scaled(back.weights, factor, where), E=back.delays)


def _scaled(weights: Float64Array, factor: Float64Array, where: str) -> Float64Array:
    """Weights (pre, post) in thresholds."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = weights * factor
    return check_reals(scaled, f"{where}, in thresholds,")


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
    if kind_of(graph) != "NIRGraph":
        raise InputError(f"{path} holds a {kind_of(graph)}, which is no network; write a nir.NIRGraph")
    return graph
