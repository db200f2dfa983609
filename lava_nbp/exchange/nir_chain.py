"""A NIR graph taken apart: the chain from its input to its output, and what leads from neurons back to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from lava_nbp.errors import InputError

NEURONS = ("LIF", "CubaLIF", "IF", "Threshold", "I", "LI", "CubaLI")
SYNAPSES = ("Linear", "Affine")
DELAY = "Delay"


def kind_of(node: Any) -> str:
    """The name of a node's class."""
    return type(node).__name__


class Graph(NamedTuple):
    """Nodes by name, and edges, without graphs among the nodes."""

    nodes: dict[str, Any]
    edges: list[tuple[str, str]]

    @classmethod
    def flat(cls, graph: Any, path: Path) -> Graph:
        """A graph whose nodes that are graphs, with one input and one output each, are replaced by what they hold.

        Raises
        ------
        InputError
            For a node that is a graph with other inputs and outputs.
        """
        nodes: dict[str, Any] = {}
        edges = [(str(source), str(target)) for source, target in graph.edges]
        for name, node in graph.nodes.items():
            if kind_of(node) != "NIRGraph":
                nodes[name] = node
                continue
            ends = [[inner for inner, n in node.nodes.items() if kind_of(n) == kind] for kind in ("Input", "Output")]
            if len(ends[0]) != 1 or len(ends[1]) != 1:
                raise InputError(
                    f"{path}: node {name} is a graph with {len(ends[0])} inputs and {len(ends[1])} outputs; only "
                    f"graphs with one of each can be read in a graph"
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
        return cls(nodes, edges)

    def ahead(self, *, back: bool = False) -> dict[str, list[str]]:
        """Where the edges of every node lead to; or come from."""
        found: dict[str, list[str]] = {}
        for edge in self.edges:
            source, target = reversed(edge) if back else edge
            found.setdefault(source, []).append(target)
        return found

    def loops(self, path: Path) -> dict[str, list[str]]:
        """Synapses, and delays, on a way from neurons back to the same neurons and nowhere else, by the neurons' name.

        Raises
        ------
        InputError
            If there are two of a layer.
        """
        after, before = self.ahead(), self.ahead(back=True)
        loops: dict[str, list[str]] = {}
        for neurons in (name for name, node in self.nodes.items() if kind_of(node) in NEURONS):
            for name in after.get(neurons, []):
                way: list[str] = []
                while (
                    kind_of(self.nodes.get(name)) in (*SYNAPSES, DELAY)
                    and len(after.get(name, [])) == len(before[name]) == 1
                    and name not in way
                ):
                    way.append(name)
                    (name,) = after[name]
                if not way or name != neurons:
                    continue
                if neurons in loops:
                    first, other = sorted((loops[neurons][0], way[0]))
                    raise InputError(
                        f"{path}: nodes {first} and {other} both lead from node {neurons} back to it; "
                        f"give one matrix, their sum"
                    )
                loops[neurons] = way
        return loops

    def chain(self, apart: set[str], path: Path) -> list[str]:
        """Names of the nodes, in the order of a chain from the input, without those in `apart`.

        Raises
        ------
        InputError
            For a graph that is no such chain.
        """
        after = Graph(self.nodes, [edge for edge in self.edges if apart.isdisjoint(edge)]).ahead()
        starts = [name for name, node in self.nodes.items() if kind_of(node) == "Input"]
        if len(starts) != 1:
            raise InputError(f"{path} has {len(starts)} input nodes; only networks with one can be read")
        names = starts
        seen = set(starts)
        while names[-1] in after:
            nexts = after[names[-1]]
            if len(nexts) > 1 or nexts[0] in seen or nexts[0] not in self.nodes:
                raise InputError(
                    f"{path}: node {names[-1]} leads to {', '.join(sorted(nexts))}: a branch or a loop, or nowhere; "
                    f"only chains can be read, and neurons with one matrix from and to themselves"
                )
            names.append(nexts[0])
            seen.add(nexts[0])
        left = sorted(set(self.nodes) - seen - apart)
        if left:
            raise InputError(f"{path}: nodes {', '.join(left)} are not in the chain from the input; remove them")
        return names
