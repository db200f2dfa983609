"""The plan of a network on a board: what goes where, what is used of every resource, and what does not fit."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from lava_nbp.base.checks import check_integer, check_kind, check_name
from lava_nbp.base.fields import settle
from lava_nbp.base.html import html_table
from lava_nbp.base.widths import NEURONS_PER_CHIP
from lava_nbp.errors import CircuitError, InputError
from lava_nbp.loihi.boards import BOARDS, Board
from lava_nbp.loihi.estimate import Estimate, estimate
from lava_nbp.loihi.lowering import Lowered, lower
from lava_nbp.loihi.placement import cores_of, packed_placement, paper_placement, spread_placement
from lava_nbp.loihi.resources import (
    Int64Array,
    Placement,
    bundles,
    least_use,
    limits_of,
    usage,
)
from lava_nbp.nbp.circuit import Circuit, Matrix, check_circuit
from lava_nbp.nbp.mask import Mask

PlacementName = Literal["auto", "paper", "spread", "packed"]
PLACEMENTS: tuple[PlacementName, ...] = ("auto", "paper", "spread", "packed")


@dataclass(frozen=True)
class Plan:
    """A lowered circuit on the cores of a board.

    Attributes
    ----------
    lowered : Lowered
        The network.
    board : Board
        Where it shall run.
    placement_name : str
        "paper", "spread" or "packed".
    placement : mapping
        Slices of every group.

    Raises
    ------
    InputError
        For values of other types, or slices that are not those of all neurons of all groups.
    """

    lowered: Lowered
    board: Board
    placement_name: str
    placement: Placement

    def __post_init__(self) -> None:
        settle(self, "plan", InputError)
        sizes = {g.name: g.size for g in self.lowered.groups}
        for name in (*sizes, *self.placement):
            placed = 0
            for s in sorted(self.placement.get(name, ()), key=lambda s: s.first):
                placed = placed + s.size if s.first == placed else -1
            if placed != sizes.get(name):
                raise InputError(
                    f"plan: the slices of group {name!r} are not its {sizes.get(name, 0)} neurons, each once"
                )

    @cached_property
    def n_cores(self) -> int:
        """Neurocores in use."""
        return len(cores_of(self.placement))

    @cached_property
    def used(self) -> dict[str, Int64Array]:
        """What is used of every resource on every core up to the last in use."""
        last = int(cores_of(self.placement).max()) + 1
        return usage(self.lowered, self.placement, self.board.chip, max(last, self.board.cores))

    @cached_property
    def fits(self) -> bool:
        """Whether no limit is broken."""
        return not self.problems

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """What does not fit, one line each: the object, the value and the limit."""
        found = []
        last, there = int(cores_of(self.placement).max()) + 1, self.board.cores
        if last > there:
            found.append(f"{self.board.name} has {there} neurocores, but the placement reaches {last}")
        for name, limit in limits_of(self.board.chip).items():
            worst = int(self.used[name].argmax())
            if self.used[name][worst] > limit:
                over = int((self.used[name] > limit).sum())
                found.append(
                    f"core {worst}: {self.used[name][worst]} of {limit} {name.replace('_', ' ')} ({over} cores are "
                    f"over the limit; it holds {', '.join(self.groups_on(worst))})"
                )
        return tuple(found)

    def groups_on(self, core: int) -> list[str]:
        """Groups, with their numbers of neurons, on a core."""
        return self._groups.get(core, [])

    @cached_property
    def _groups(self) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for name, slices in self.placement.items():
            for s in slices:
                found.setdefault(s.core, []).append(f"{s.size} of {name}")
        return found

    @cached_property
    def estimate(self) -> Estimate:
        """Time and energy per sample, estimated."""
        return estimate(self.lowered, self.placement, self.board.chip.costs)

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON holds it."""
        circuit, chip = self.lowered.circuit, self.board.chip
        limits = limits_of(chip)
        used = {name: self.used[name] for name in limits}
        return {
            "circuit": circuit.name,
            "layers": list(circuit.layers),
            "board": {"name": self.board.name, "chip": chip.name, "chips": self.board.chips, "cores": self.board.cores},
            "capacities": {name: asdict(c) for name, c in chip.capacities().items()},
            "fits": self.fits,
            "problems": list(self.problems),
            "neurocores": self.n_cores,
            "neurons": self.lowered.n_neurons,
            "synapses": circuit.n_synapses,
            "plastic_synapses": self.lowered.n_plastic,
            "placement": self.placement_name,
            "resources": {
                name: {"fullest_core": int(u.max()), "limit": limits[name], "all_cores": int(u.sum())}
                for name, u in used.items()
            },
            "groups": self.group_rows(),
            "connections": self.connection_rows(),
            "cores": [
                {"core": int(core), "groups": self.groups_on(int(core)), **{n: int(u[core]) for n, u in used.items()}}
                for core in cores_of(self.placement)
            ],
            "slices": {name: [asdict(s) for s in slices] for name, slices in self.placement.items()},
            "estimate": asdict(self.estimate),
        }

    def _repr_html_(self) -> str:
        """What is used of every resource, in notebooks."""
        circuit, board, limits = self.lowered.circuit, self.board, limits_of(self.board.chip)
        size = "-".join(map(str, circuit.layers))
        caption = (
            f"{circuit.name} {size} on {board.name}: {self.n_cores} of {board.cores} neurocores, "
            f"{'fits' if self.fits else 'does not fit: ' + '; '.join(self.problems)}"
        )
        rows = [
            (n.replace("_", " "), int(self.used[n].max()), limit, int(self.used[n].sum()))
            for n, limit in limits.items()
        ]
        return html_table(caption, ("resource", "fullest core", "limit", "all cores"), rows)

    def group_rows(self) -> list[dict[str, Any]]:
        """Registers and cores of every group."""
        return [
            {
                "group": g.name, "neurons": g.size, "cores": len(self.placement[g.name]), "vth": g.vth,
                "bias_mant": g.bias_mant, "bias_exp": g.bias_exp, "du": g.du, "dv": g.dv, "refractory": g.refractory,
                "feeds_learning": g.feeds_learning,
            }
            for g in self.lowered.groups
        ]  # fmt: skip

    def connection_rows(self) -> list[dict[str, Any]]:
        """Synapses, axons and memory of every connection, summed over cores."""
        rows, chip = [], self.board.chip
        for b in bundles(self.lowered):
            posts = self.placement[b.post]
            lists, bits = (sum(k) for k in zip(*(b.lists(s.first, s.size, chip) for s in posts), strict=True))
            rows.append(
                {
                    "connection": b.name, "pre": b.pre or "host", "post": b.post,
                    "synapses": sum(b.synapses(s.first, s.size) for s in posts), "plastic": b.plastic,
                    "input_axons": lists, "output_axons": lists if b.pre else 0, "synapse_memory": bits,
                }
            )  # fmt: skip
        return rows


def make_plan(circuit: Circuit, board: str, placement: str = "auto") -> Plan:
    """Lower, check and place a circuit.

    Parameters
    ----------
    circuit : Circuit
        A learning circuit is planned in the chip's order (`Circuit.chip_order`), which needs the same resources.
    board : str
        A name in `BOARDS`.
    placement : {"auto", "paper", "spread", "packed"}
        "paper": as the authors spread it. "spread": the same, with a core for the chain. "packed": on few cores.
        "auto": the first of them that fits.

    Raises
    ------
    InputError
        For an unknown board or placement.
    CircuitError, WeightError
        For a circuit that cannot be lowered, see `lava_nbp.loihi.lowering.lower`.
    """
    check_circuit(circuit)
    return place(_lowered(circuit), BOARDS[board], placement)


def _lowered(circuit: Circuit) -> Lowered:
    """A circuit as the chip runs it: in its order, which needs the same resources."""
    return lower(circuit.in_chip_order() if circuit.learning else circuit)


def place(lowered: Lowered, board: Board, placement: str = "auto") -> Plan:
    """Place a lowered circuit; see `make_plan`.

    Raises
    ------
    InputError
        For an unknown placement, or other values than a lowered circuit and a board.
    """
    check_kind(lowered, Lowered, "lowered circuit")
    check_kind(board, Board, "board")
    check_name(placement, "placement", PLACEMENTS)
    for name, make in (("paper", paper_placement), ("spread", spread_placement)):
        if placement == name or (placement == "auto" and _could_fit(lowered, board)):
            plan = Plan(lowered, board, name, make(lowered))
            if placement == name or plan.fits:
                return plan
    return Plan(lowered, board, "packed", packed_placement(lowered, board.chip))


def _could_fit(lowered: Lowered, board: Board) -> bool:
    """Whether a board has as much of everything as a network needs, however it is placed: asked before it is."""
    limits, least = limits_of(board.chip), least_use(lowered, board.chip)
    return all(least[name] <= limits[name] * board.cores for name in least.keys() & limits.keys())


def cures(plan: Plan) -> list[str]:
    """Changes that make a plan fit that does not: another placement, a larger board, fewer hidden neurons."""
    check_kind(plan, Plan, "plan")
    if plan.fits:
        return []
    found = []
    circuit, board = plan.lowered.circuit, plan.board
    for name in ("spread", "packed"):
        if plan.placement_name not in (name, "packed") and _could_fit(plan.lowered, board):
            other_plan = place(plan.lowered, board, name)
            if other_plan.fits:
                found.append(f"--placement {name}: {other_plan.n_cores} neurocores")
    for other in BOARDS.values():
        if (other.chip, other.chips) != (board.chip, board.chips) and _could_fit(plan.lowered, other):
            moved = place(plan.lowered, other)
            if moved.fits:
                found.append(f"--chip {other.name}: {moved.n_cores} of {other.cores} neurocores")
    hidden = largest_hidden(circuit, board)
    if hidden:
        found.append(_hidden_that_fits(with_hidden(circuit, hidden), board))
    smaller = "use fewer inputs (data.crop, data.side) or classes"
    return found or [f"no hidden layer of any size fits: {smaller}" if len(circuit.layers) > 2 else smaller]


def _hidden_that_fits(circuit: Circuit, board: Board) -> str:
    sizes = circuit.layers[1:-1]
    if len(sizes) == 1:
        return f"network.n_hidden = {sizes[0]} is the largest that fits {board.name}"
    return f"hidden layers of {', '.join(map(str, sizes))} neurons are the largest in proportion that fit {board.name}"


def largest_hidden(circuit: Circuit, board: Board) -> int:
    """Size of the largest hidden layer with which a circuit, otherwise as it is, fits a board; 0 if none does.

    No larger than the circuit's own. Several hidden layers keep their proportions, see `with_hidden`.
    """
    check_circuit(circuit)
    check_kind(board, Board, "board")
    low, high = 0, max(circuit.layers[1:-1], default=0)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _fits(circuit, middle, board) else (low, middle - 1)
    return low


def _fits(circuit: Circuit, n: int, board: Board) -> bool:
    try:
        lowered = _lowered(with_hidden(circuit, n))
        return _could_fit(lowered, board) and place(lowered, board).fits
    except CircuitError:
        return False


def with_hidden(circuit: Circuit, n: int) -> Circuit:
    """The same circuit with n neurons in its largest hidden layer, and as many in proportion in the others.

    Populations that belong to a layer and have its size get the new one; of a mask, rows and columns that are spread
    evenly over it are left.

    Raises
    ------
    CircuitError
        For a size that the circuit cannot have.
    """
    check_circuit(circuit)
    check_integer(n, 1, NEURONS_PER_CHIP, "hidden neurons", error=CircuitError)
    if len(circuit.layers) < 3:
        raise CircuitError(f"circuit {circuit.name!r} has no hidden layer, so that none can have another size")
    largest = max(circuit.layers[1:-1])
    new = {name: max(1, round(circuit[name].size * n / largest)) for name in circuit.forward[1:-1]}

    def resized(population: str) -> int:
        layer, size = circuit.layer_of(population), circuit[population].size
        return new[layer] if layer in new and size == circuit[layer].size else size

    def shape(matrix: Matrix) -> tuple[int, int]:
        for p in circuit.projections:
            if p.matrix == matrix.name:
                pre, post = resized(p.pre), resized(p.post)
                return (post, pre) if p.transposed else (pre, post)
        return matrix.shape

    def resized_matrix(matrix: Matrix) -> Matrix:
        new_shape, mask = shape(matrix), matrix.mask
        if mask is not None and new_shape != matrix.shape:
            kept = (np.arange(n) * old // n for n, old in zip(new_shape, matrix.shape, strict=True))
            mask = Mask.of(mask.matrix(matrix.shape)[np.ix_(*kept)])
        return replace(matrix, shape=new_shape, mask=mask)

    return replace(
        circuit,
        populations=tuple(replace(p, size=resized(p.name)) for p in circuit.populations),
        matrices=tuple(map(resized_matrix, circuit.matrices)),
    )
