"""The plan of a network on a board: what goes where, what is used of every resource, and what does not fit."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

from lava_nbp.base.checks import check_kind, check_name
from lava_nbp.base.fields import settle
from lava_nbp.base.html import html_table
from lava_nbp.errors import CircuitError, InputError
from lava_nbp.loihi.boards import BOARDS, Board
from lava_nbp.loihi.demand import Activity, Demand, Int64Array, Plannable
from lava_nbp.loihi.estimate import Estimate, estimate
from lava_nbp.loihi.lowering import Lowered, lower
from lava_nbp.loihi.placement import cores_of, packed_placement, paper_placement, spread_placement
from lava_nbp.loihi.resources import Placement, least_use, limits_of, usage
from lava_nbp.nbp.circuit import Circuit, check_circuit
from lava_nbp.nbp.resized import with_hidden

__all__ = ["PLACEMENTS", "PlacementName", "Plan", "cures", "largest_hidden", "make_plan", "place", "with_hidden"]

PlacementName = Literal["auto", "paper", "spread", "packed"]
PLACEMENTS: tuple[PlacementName, ...] = ("auto", "paper", "spread", "packed")


@dataclass(frozen=True)
class Plan:
    """A lowered network on the cores of a board.

    Attributes
    ----------
    lowered : Plannable
        The network: a `Lowered` circuit, a `LoweredEventProp`, or whatever says what it asks of a chip.
    board : Board
        Where it shall run.
    placement_name : str
        "paper", "spread" or "packed".
    placement : mapping
        Slices of every group.
    activity : Activity, optional
        What was counted: spikes of every group, and steps of a sample. By default what the network's demand assumes.

    Raises
    ------
    InputError
        For values of other types, slices that are not those of all neurons of all groups, or another network's
        activity.
    """

    lowered: Plannable
    board: Board
    placement_name: str
    placement: Placement
    activity: Activity | None = None

    def __post_init__(self) -> None:
        settle(self, "plan", InputError)
        if self.activity is not None:
            self.demand.check(self.activity)
        sizes = self.demand.sizes
        for name in (*sizes, *self.placement):
            placed = 0
            for s in sorted(self.placement.get(name, ()), key=lambda s: s.first):
                placed = placed + s.size if s.first == placed else -1
            if placed != sizes.get(name):
                raise InputError(
                    f"plan: the slices of group {name!r} are not its {sizes.get(name, 0)} neurons, each once"
                )

    @property
    def demand(self) -> Demand:
        """What the network asks of a chip."""
        return self.lowered.demand

    @property
    def acts(self) -> Activity:
        """What was counted, or what is assumed."""
        return self.activity or self.demand.activity

    @property
    def limits(self) -> dict[str, int]:
        """The limit of every resource of a core, for this network."""
        return limits_of(self.board.chip, self.demand)

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
        found += self._unknown()
        for name, limit in self.limits.items():
            worst = int(self.used[name].argmax())
            if self.used[name][worst] > limit:
                over = int((self.used[name] > limit).sum())
                found.append(
                    f"core {worst}: {self.used[name][worst]} of {limit} {name.replace('_', ' ')} ({over} cores are "
                    f"over the limit; it holds {', '.join(self.groups_on(worst))})"
                )
        return tuple(found)

    def _unknown(self) -> list[str]:
        """What the chip does not have at all."""
        chip, demand, found = self.board.chip, self.demand, []
        more = {name: bits for name, bits in demand.state_bits.items() if bits}
        if more and chip.core_memory is None:
            name = max(more, key=lambda group: more[group])
            found.append(
                f"neurons of {chip.name} have {chip.memory.neuron_state_bits} bits of state, but those of {name} need "
                f"{more[name]} more"
            )
        most = max((b.payload_bits for b in demand.bundles), default=0)
        if most > chip.spike_payload_bits.value:
            name = next(b.name for b in demand.bundles if b.payload_bits == most)
            found.append(f"spikes of {chip.name} carry {chip.spike_payload_bits.value} bits, but {name} needs {most}")
        return found

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
        return estimate(self.lowered, self.placement, self.board.chip.costs, self.activity)

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON holds it."""
        demand, chip, limits, acts = self.demand, self.board.chip, self.limits, self.acts
        used = {name: self.used[name] for name in limits}
        plan = {
            "circuit": demand.name,
            "layers": list(demand.layers),
            "board": {"name": self.board.name, "chip": chip.name, "chips": self.board.chips, "cores": self.board.cores},
            "capacities": {name: asdict(c) for name, c in chip.capacities().items()},
            "fits": self.fits,
            "problems": list(self.problems),
            "neurocores": self.n_cores,
            "neurons": demand.n_neurons,
            "synapses": demand.n_synapses,
            "plastic_synapses": demand.n_plastic,
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
        # Of the kind that was measured nothing else is said: its activity is always that of the measurements.
        return plan if demand.measured else {**plan, "extrapolated": True, "activity": asdict(acts)}

    def _repr_html_(self) -> str:
        """What is used of every resource, in notebooks."""
        board, limits = self.board, self.limits
        caption = (
            f"{self.demand.title} on {board.name}: {self.n_cores} of {board.cores} neurocores, "
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
            for g in self.demand.groups
        ]  # fmt: skip

    def connection_rows(self) -> list[dict[str, Any]]:
        """Synapses, axons and memory of every connection, summed over cores."""
        rows, chip = [], self.board.chip
        for b in self.demand.bundles:
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


def make_plan(
    circuit: Circuit | Plannable, board: str, placement: str = "auto", activity: Activity | None = None
) -> Plan:
    """Lower, check and place a circuit; what is lowered already is checked and placed.

    Parameters
    ----------
    circuit : Circuit or Plannable
        Or a network that is lowered: `Lowered`, `LoweredEventProp`. A learning circuit is planned in the chip's order
        (`Circuit.chip_order`), which needs the same resources.
    board : str
        A name in `BOARDS`.
    placement : {"auto", "paper", "spread", "packed"}
        "paper": as nBP's authors spread it. "spread": the same, with a core for the chain; a network that has none,
        evenly. "packed": on few cores. "auto": the first of them that fits.
    activity : Activity, optional
        Spikes that were counted, for the estimate; by default they are assumed.

    Raises
    ------
    InputError
        For an unknown board or placement, or the placement "paper" of a network that nBP's authors have not placed.
    CircuitError, WeightError
        For a circuit that cannot be lowered, see `lava_nbp.loihi.lowering.lower`.
    """
    return place(_plannable(circuit), BOARDS[board], placement, activity)


def _plannable(circuit: Circuit | Plannable) -> Plannable:
    if isinstance(circuit, Plannable):
        return circuit
    check_circuit(circuit)
    return _lowered(circuit)


def _lowered(circuit: Circuit) -> Lowered:
    """A circuit as the chip runs it: in its order, which needs the same resources."""
    return lower(circuit.in_chip_order() if circuit.learning else circuit)


def place(lowered: Plannable, board: Board, placement: str = "auto", activity: Activity | None = None) -> Plan:
    """Place a lowered network; see `make_plan`.

    Raises
    ------
    InputError
        As `make_plan`, or for other values than a lowered network and a board.
    """
    check_kind(lowered, Plannable, "lowered network")
    check_kind(board, Board, "board")
    check_name(placement, "placement", PLACEMENTS)
    allowed = lowered.demand.placements
    if placement not in ("auto", *allowed):
        raise InputError(
            f"placement is {placement!r}, how nBP's authors placed circuits, but {lowered.demand.name} is none of "
            f"theirs; use auto, {', '.join(allowed)}"
        )
    for name, make in (("paper", paper_placement), ("spread", spread_placement)):
        if placement == name or (placement == "auto" and name in allowed and _could_fit(lowered, board)):
            plan = Plan(lowered, board, name, make(lowered), activity)
            if placement == name or plan.fits:
                return plan
    return Plan(lowered, board, "packed", packed_placement(lowered, board.chip), activity)


def _could_fit(lowered: Plannable, board: Board) -> bool:
    """Whether a board has as much of everything as a network needs, however it is placed: asked before it is."""
    limits, least = limits_of(board.chip, lowered.demand), least_use(lowered, board.chip)
    return all(least[name] <= limits[name] * board.cores for name in least.keys() & limits.keys())


def cures(plan: Plan) -> list[str]:
    """Changes that make a plan fit that does not: another placement or board, less room for spikes, fewer neurons."""
    check_kind(plan, Plan, "plan")
    if plan.fits:
        return []
    found = []
    lowered, demand, board = plan.lowered, plan.demand, plan.board
    for name in ("spread", "packed"):
        if plan.placement_name not in (name, "packed") and _could_fit(lowered, board):
            other_plan = place(lowered, board, name)
            if other_plan.fits:
                found.append(f"--placement {name}: {other_plan.n_cores} neurocores")
    for other in BOARDS.values():
        if (other.chip, other.chips) != (board.chip, board.chips) and _could_fit(lowered, other):
            moved = place(lowered, other)
            if moved.fits:
                found.append(f"--chip {other.name}: {moved.n_cores} of {other.cores} neurocores")
    room = _largest_room(lowered, board)
    if room:
        found.append(f"room for {room} spikes of a neuron is the most that fits {board.name}")
    hidden = _largest_hidden(lowered, board)
    if hidden:
        found.append(_hidden_that_fits(lowered.with_hidden(hidden).demand, board))
    smaller = "use fewer inputs (data.crop, data.side) or classes"
    return found or [f"no hidden layer of any size fits: {smaller}" if len(demand.layers) > 2 else smaller]


def _hidden_that_fits(demand: Demand, board: Board) -> str:
    sizes = demand.layers[1:-1]
    if len(sizes) == 1:
        return f"{demand.hidden_key.format(sizes[0])} is the largest that fits {board.name}"
    return f"hidden layers of {', '.join(map(str, sizes))} neurons are the largest in proportion that fit {board.name}"


def largest_hidden(circuit: Circuit | Plannable, board: Board) -> int:
    """Size of the largest hidden layer with which a circuit, otherwise as it is, fits a board; 0 if none does.

    No larger than its own. Several hidden layers keep their proportions, see `Plannable.with_hidden`.
    """
    check_kind(board, Board, "board")
    return _largest_hidden(_plannable(circuit), board)


def _largest_hidden(lowered: Plannable, board: Board) -> int:
    low, high = 0, max(lowered.demand.layers[1:-1], default=0)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _fits(lowered, middle, board) else (low, middle - 1)
    return low


def _largest_room(lowered: Plannable, board: Board) -> int:
    """The most spikes of a neuron for which there is room, fewer than it keeps now; 0: there is none."""
    low, high = 0, max(lowered.room - 1, 0)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _all_fits(lowered.with_room(middle), board) else (low, middle - 1)
    return low


def _all_fits(lowered: Plannable, board: Board) -> bool:
    return _could_fit(lowered, board) and place(lowered, board).fits


def _fits(lowered: Plannable, n: int, board: Board) -> bool:
    try:
        return _all_fits(lowered.with_hidden(n), board)
    except CircuitError:
        return False
