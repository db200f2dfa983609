"""NIR graphs by forward Euler, node by node and step by step, from NIR's own equations.

Shares nothing with lava_nbp.
"""

from pathlib import Path

import nir
import numpy as np


def run_euler(path: Path, x: np.ndarray, dt: float) -> dict[str, np.ndarray]:
    """Spikes of every node of neurons, or voltages of a CubaLI, (steps, samples, n), by name.

    x is (steps, samples, n_in), dt in ms. In a cycle, what comes back to neurons is of the step before. A delay is the
    nearest whole number of steps.
    """
    graph, dt = nir.read(path), dt / 1000
    sources = {name: [a for a, b in graph.edges if b == name] for name in graph.nodes}
    late = {(a, b) for a, b in graph.edges if is_neuron(graph.nodes[b]) and a in behind(graph, b)}
    order: list[str] = []
    while len(order) < len(graph.nodes):
        ready = [n for n in graph.nodes if all(a in order or (a, n) in late for a in sources[n])]
        order.append(next(n for n in ready if n not in order))
    values = {name: [] for name in graph.nodes}
    states = {name: [0.0, 0.0] for name in graph.nodes}
    for step, given in enumerate(np.asarray(x, dtype=float)):
        for name in order:
            node, arrived = graph.nodes[name], []
            for a in sources[name]:
                back = step - ((a, name) in late)
                arrived.append(values[a][back] if back >= 0 else 0.0)
            total = given if isinstance(node, nir.Input) else sum(arrived)
            values[name].append(passed(node, total, states[name], dt, values, sources[name], step))
    return {name: np.array(values[name]) for name, node in graph.nodes.items() if is_neuron(node)}


def is_neuron(node) -> bool:
    return isinstance(node, (nir.CubaLIF, nir.CubaLI))


def behind(graph, name: str) -> set[str]:
    """Nodes that a node leads to."""
    found, ahead = set(), [name]
    while ahead:
        nexts = [b for a, b in graph.edges if a == ahead[-1] and b not in found]
        ahead = ahead[:-1] + nexts
        found |= set(nexts)
    return found


def passed(node, total, state, dt, values, sources, step):
    """What a node says in a step."""
    if isinstance(node, (nir.Input, nir.Output)):
        return total
    if isinstance(node, nir.Linear):
        return total @ node.weight.T
    if isinstance(node, nir.Delay):
        out = np.zeros_like(total)
        for line, tau in enumerate(node.delay):
            then = step - int(np.rint(tau / dt))
            if then >= 0:
                out[:, line] = sum(values[a][then][:, line] for a in sources)
        return out
    state[0] = state[0] + dt / node.tau_syn * (-state[0] + node.w_in * total)
    state[1] = state[1] + dt / node.tau_mem * (node.v_leak - state[1] + node.r * state[0])
    if isinstance(node, nir.CubaLI):
        return state[1].copy()
    spikes = state[1] > node.v_threshold
    state[1] = np.where(spikes, node.v_reset, state[1])
    return spikes.astype(float)
