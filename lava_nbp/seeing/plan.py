"""A plan for people: its tables, and its cores as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lava_nbp.base.checks import check_kind
from lava_nbp.base.files import AnyPath
from lava_nbp.loihi.plan import Plan
from lava_nbp.seeing.plot import save

#: Cores per row of the map, and chips that are drawn at most.
_COLUMNS, _CHIPS = 16, 8


def print_plan(console: Console, plan: Plan, cures: list[str]) -> None:
    """Print the tables of a plan, whether it fits, and what would make it fit."""
    demand, board = plan.demand, plan.board
    console.print(
        f"{demand.title} on {board.name} ({board.chips} x {board.chip.name}): {plan.n_cores} of {board.cores} "
        f"neurocores, {demand.n_neurons} neurons, {demand.n_synapses} synapses, {demand.n_plastic} of them plastic; "
        f"placement {plan.placement_name}"
    )
    console.print(_groups(plan))
    console.print(_connections(plan))
    console.print(_resources(plan))
    if plan.fits:
        console.print("fits")
    else:
        console.print("does not fit:")
        for problem in plan.problems:
            console.print(f"  {escape(problem)}")
        console.print("what would:")
        for cure in cures:
            console.print(f"  {escape(cure)}")
    e = plan.estimate
    console.print(
        f"estimate, not a measurement: {e.milliseconds:.2f} ms and {e.millijoules:.4f} mJ per sample, of which "
        f"learning {100 * e.learning_share_of_time:.0f} % and {100 * e.learning_share_of_energy:.0f} % "
        f"({escape(board.chip.costs.source)})" + ("" if demand.measured else "; for such a network an extrapolation")
    )
    if not demand.measured:
        console.print(escape(_activity(plan)), highlight=False)
    if plan.limits["neurons"] < board.chip.neurons.value:
        console.print(
            f"delays of up to {demand.longest_delay} steps leave room for {plan.limits['neurons']} neurons on a core, "
            f"of {board.chip.neurons.value}"
        )
    for name, c in board.chip.capacities().items():
        if not c.published:
            console.print(f"assumed, not published: {name.replace('_', ' ')} {c.value} ({escape(c.note)})")


def _activity(plan: Plan) -> str:
    spikes = [f"{plan.acts.input:.3g} of an input", *(f"{k:.3g} of {name}" for name, k in plan.acts.groups.items())]
    return f"a sample takes {plan.acts.steps} steps; spikes per neuron, {plan.acts.source}: {', '.join(spikes)}"


def _groups(plan: Plan) -> Table:
    table = Table(title="populations")
    table.add_column("group", no_wrap=True)
    for heading in ("neurons", "cores", "vth", "bias", "du", "dv", "refractory", "feeds learning"):
        table.add_column(heading, justify="right")
    for r in plan.group_rows():
        bias = f"{r['bias_mant']} x 2^{r['bias_exp']}" if r["bias_mant"] else "0"
        values = (r["neurons"], r["cores"], r["vth"], bias, r["du"], r["dv"], r["refractory"])
        table.add_row(r["group"], *map(str, values), "yes" if r["feeds_learning"] else "")
    return table


def _connections(plan: Plan) -> Table:
    table = Table(title="connections, all cores together")
    table.add_column("connection", no_wrap=True)
    for heading in ("synapses", "plastic", "input axons", "output axons", "memory, bytes"):
        table.add_column(heading, justify="right")
    for r in plan.connection_rows():
        table.add_row(
            r["connection"], str(r["synapses"]), "yes" if r["plastic"] else "", str(r["input_axons"]),
            str(r["output_axons"]), str(r["synapse_memory"] // 8),
        )  # fmt: skip
    return table


def _resources(plan: Plan) -> Table:
    table = Table(title="resources of a core")
    table.add_column("resource", no_wrap=True)
    for heading in ("fullest core", "used / max", "%", "all cores used / max", "source"):
        table.add_column(heading, justify="right")
    cores = plan.board.cores
    capacities = plan.board.chip.capacities()
    for name, limit in plan.limits.items():
        used = plan.used[name]
        table.add_row(
            name.replace("_", " ") + (", bits" if "memory" in name else ""),
            str(int(used.argmax())),
            f"{used.max()} / {limit}",
            f"{100 * used.max() / limit:.0f}",
            f"{used.sum()} / {limit * cores}",
            capacities[name].source + ("" if capacities[name].published else ", assumed"),
        )
    return table


def core_map(plan: Plan, path: AnyPath) -> Path:
    """Draw every core of the first chips: its colour is the share of its scarcest resource, its text who is there.

    Raises
    ------
    InputError
        For something else than a plan.
    OutputError
        If the file cannot be written.
    """
    check_kind(plan, Plan, "plan")
    limits = plan.limits
    share = np.max([plan.used[name] / limit for name, limit in limits.items()], axis=0)
    per_chip = plan.board.chip.neurocores.value
    last = int(np.flatnonzero(share)[-1]) if share.any() else 0
    chips = min(_CHIPS, max(1, -(-(last + 1) // per_chip)))
    rows = -(-per_chip // _COLUMNS)
    figure = Figure(figsize=(13, 0.75 * rows * chips + 1.2), layout="constrained")
    image = None
    for chip, axes in enumerate(figure.subplots(chips, 1, squeeze=False)[:, 0]):
        cells = np.full(rows * _COLUMNS, np.nan)
        here = share[chip * per_chip : (chip + 1) * per_chip]
        cells[: len(here)] = np.where(here, here, np.nan)
        image = axes.imshow(100 * cells.reshape(rows, _COLUMNS), vmin=0, vmax=100, cmap="Blues", aspect="auto")
        for core in range(len(here)):
            if here[core]:
                text = "\n".join([str(core), *_short(plan.groups_on(chip * per_chip + core))])
                colour = "white" if here[core] > 0.5 else "black"
                axes.text(core % _COLUMNS, core // _COLUMNS, text, ha="center", va="center", fontsize=5, color=colour)
        axes.set_xticks(np.arange(_COLUMNS) - 0.5, labels=[])
        axes.set_yticks(np.arange(rows) - 0.5, labels=[])
        axes.grid(color="#CCCCCC", linewidth=0.5)
        axes.tick_params(length=0)
        axes.set_title(f"{plan.board.chip.name}, chip {chip}", fontsize=9)
    assert image is not None
    figure.colorbar(image, ax=figure.axes, label="scarcest resource, % of a core", shrink=0.8)
    figure.suptitle(
        f"{plan.demand.title}: {plan.n_cores} neurocores of {plan.board.name}, {plan.placement_name}"
        + ("" if plan.fits else " (does not fit)")
    )
    return save(figure, path)


def _short(groups: list[str]) -> list[str]:
    named = [text.replace(" of ", " ") for text in groups]
    return named if len(named) <= 4 else [*named[:3], f"+ {len(named) - 3} more"]
