"""What leads from neurons to neurons in a NIR graph: a matrix, with delays of its sources or synapses, and back.

A delay of every source is a ``nir.Delay`` in front of the matrix. Delays of every synapse are as many lines as there
are different pairs of a source and a delay: a ``nir.Linear`` of ones and zeros that copies each source onto its lines,
the ``nir.Delay`` of every line, and the matrix from the lines, in which a synapse has its weight on one line of its
source::

    x -> copies -> Delay -> matrix -> neurons

On that line a weight of 0 is written as -0.0, so that its delay is known, too. NIR counts delays in s. Numbers in s are
not quite those in ms, so a node's metadata have those, by which the last bit is read where they mean the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from lava_nbp.base.checks import check_reals
from lava_nbp.base.memory import check_memory
from lava_nbp.errors import InputError
from lava_nbp.exchange.dense import Float64Array, check_delays
from lava_nbp.exchange.nir_chain import DELAY, SYNAPSES, kind_of

#: Most lines of a matrix whose synapses have delays of their own: beyond that, copies take more room than the matrix.
MOST_LINES = 10_000
#: Of a way between neurons, D: a Delay, L: synapses; delays may be in front of the matrix, on copies, and behind it.
_WAY = re.compile("D?(LD)?LD?")


class Connection(NamedTuple):
    """Weights (pre, post), and delays in ms of synapses (pre, post), of sources (pre,), or None."""

    weights: Float64Array
    delays: Float64Array | None


def connection_nodes(
    nir: Any, names: Sequence[str], weights: Float64Array, delays: Float64Array | None, what: str
) -> Any:
    """Nodes of a connection by name, in their order.

    Parameters
    ----------
    nir : module
        The package.
    names : (str, str, str)
        Of the copies, the Delay and the matrix, as far as there are such.
    weights, delays : array
        See `Connection`.
    what : str
        Names the delays in messages.

    Raises
    ------
    InputError
        For delays that need more than 10000 lines.
    """
    copies, late, matrix = names
    w = weights.T.astype(np.float32)
    if delays is None:
        return {matrix: nir.Linear(weight=w)}
    if delays.ndim == 1:
        return {late: _delay(nir, delays), matrix: nir.Linear(weight=w)}
    n, post = delays.shape
    pairs = np.column_stack([np.repeat(np.arange(n, dtype=np.float64), post), delays.reshape(-1)])
    lines, of_line = np.unique(pairs, axis=0, return_inverse=True)
    if len(lines) > MOST_LINES:
        raise InputError(
            f"{what} have {len(lines)} pairs of a source and a delay, for each of which a NIR graph needs a line, but "
            f"{MOST_LINES} are the most; train with network.delays_per = 'source', or with delays in whole steps "
            f"(target clocked), of which many are the same"
        )
    copied = (lines[:, :1] == np.arange(n)).astype(np.float32)
    spread = np.zeros((post, len(lines)), dtype=np.float32)
    spread[np.tile(np.arange(post), n), of_line.reshape(-1)] = np.where(w == 0, np.float32(-0.0), w).T.reshape(-1)
    return {copies: nir.Linear(weight=copied), late: _delay(nir, lines[:, 1]), matrix: nir.Linear(weight=spread)}


def _delay(nir: Any, ms: Float64Array) -> Any:
    return nir.Delay(delay=ms / 1000, metadata={"ms": ms.copy()})


def may_follow(way: Sequence[Any], node: Any) -> bool:
    """Whether a node may come next on a way from neurons to neurons that leads through these nodes."""
    code = _code([*way, node])
    return any(_WAY.fullmatch(code + rest) for rest in ("", "L", "DL"))


def is_whole(way: Sequence[Any]) -> bool:
    """Whether a way from neurons to neurons has its matrix."""
    return _WAY.fullmatch(_code(way)) is not None


def _code(way: Sequence[Any]) -> str:
    codes = {DELAY: "D", **dict.fromkeys(SYNAPSES, "L")}
    return "".join(codes.get(kind_of(node), "?") for node in way)


def read_connection(way: Sequence[tuple[str, Any]]) -> Connection:
    """What a way from neurons to neurons does, of which nodes `is_whole`.

    Parameters
    ----------
    way : sequence of (str, node)
        Each with what names it in messages, in the order in which spikes pass them.

    Raises
    ------
    InputError
        For a bias, delays that are none, sizes that do not fit, or more than one way of a source to a neuron: names the
        node.
    """
    last = max(k for k, (_, node) in enumerate(way) if kind_of(node) != DELAY)
    source, n = None, 0  # of every line (None: each is its own), and how many there are
    late: Float64Array | None = None
    for where, node in way[:last]:
        if kind_of(node) == DELAY:
            late = _later(late, _milliseconds(node, where), where)
            continue
        copies = _matrix(node, where)
        late, n = _fitting(late, len(copies), where), len(copies)
        source = _copied(copies, where)
        late = None if late is None else late[source]
    where, node = way[last]
    weights = _matrix(node, where)
    late = _fitting(late, len(weights), where)
    if source is not None:
        assert late is not None  # behind the copies
        weights, late = _gathered(weights, source, n, late, where)
    for behind, tail in way[last + 1 :]:
        own = _fitting(_milliseconds(tail, behind), weights.shape[1], behind)
        assert own is not None
        late = np.zeros(weights.shape) + own if late is None else (late if late.ndim == 2 else late[:, None]) + own
    if late is not None:
        check_delays(late, f"{where}: the sum of delays, in ms,", "NIR counts delays in s")
    return Connection(weights, late)


def _gathered(
    weights: Float64Array, source: Any, n: int, late: Float64Array, where: str
) -> tuple[Float64Array, Float64Array]:
    """Weights and delays from n sources, of those from lines."""
    post = weights.shape[1]
    check_memory(24 * n * post, f"{where}: a network of {n} inputs and {post} neurons", "give a smaller one")
    line, neuron = np.nonzero((weights != 0) | np.signbit(weights))
    pairs = source[line] * post + neuron
    met, count = np.unique(pairs, return_counts=True)
    if (count > 1).any():
        i, j = divmod(int(met[np.argmax(count > 1)]), post)
        raise InputError(
            f"{where}: input {i} has more than one line to neuron {j}, but these networks have one synapse from one to "
            f"the other; give one"
        )
    found, delays = np.zeros(n * post), np.zeros(n * post)
    found[pairs] = weights[line, neuron] + 0.0  # not -0.0
    delays[pairs] = late[line]
    return found.reshape(n, post), delays.reshape(n, post)


def _copied(matrix: Float64Array, where: str) -> Any:
    """Which input each line copies, of a matrix (inputs, lines)."""
    if not (((matrix == 0) | (matrix == 1)).all() and (matrix.sum(axis=0) == 1).all()):
        raise InputError(
            f"{where} mixes its inputs in front of a Delay and another matrix, but may only copy them there (one 1 to "
            f"every line, else 0); only dense layers, one behind the other, can be read"
        )
    return matrix.argmax(axis=0)


def _later(late: Float64Array | None, more: Float64Array, where: str) -> Float64Array:
    """Delays, one behind the other."""
    if late is None:
        return more
    fitted = _fitting(more, len(late), where)
    assert fitted is not None
    return late + fitted


def _fitting(late: Float64Array | None, n: int, where: str) -> Float64Array | None:
    """Delays of n lines."""
    if late is None or late.size == n:
        return late
    if late.size != 1:
        raise InputError(f"{where}: {late.size} delays for {n} lines; give one each")
    return np.broadcast_to(late, (n,))


def _matrix(node: Any, where: str) -> Float64Array:
    """Weights (pre, post) of a node without bias."""
    if kind_of(node) == "Affine" and np.any(node.bias):
        raise InputError(f"{where} has a bias, but these networks have none; train without biases")
    weight = check_reals(node.weight, f"{where}: weight")
    if weight.ndim != 2 or not weight.size:
        raise InputError(f"{where}: its weight has shape {weight.shape}; give a matrix")
    return weight.T


def _milliseconds(node: Any, where: str) -> Float64Array:
    """Delays of a node, (lines,)."""
    seconds = check_reals(node.delay, f"{where}: delay", "delays are in s").reshape(-1)
    if not seconds.size:
        raise InputError(f"{where} has no delays; give one for each of its lines")
    known = node.metadata.get("ms") if isinstance(node.metadata, dict) else None
    if (
        isinstance(known, np.ndarray)
        and known.dtype == np.float64
        and np.array_equal(known.reshape(-1) / 1000, seconds)
    ):
        ms: Float64Array = known.reshape(-1)
    else:
        ms = 1000 * seconds
    check_delays(ms, f"{where}: delay, in ms,", "NIR counts delays in s")
    return ms
