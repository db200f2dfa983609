"""What the report of an nBP run has beside what every report has: the phase player, the phases, and a chip's plan."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lava_nbp.base.progress import Stage
from lava_nbp.errors import CircuitError
from lava_nbp.loihi.boards import BOARDS, board_of
from lava_nbp.loihi.plan import cures, make_plan
from lava_nbp.nbp.circuit import TABLE_HEAD, Circuit
from lava_nbp.seeing.plan import core_map
from lava_nbp.training.nbp.learner import NBPLearner
from lava_nbp.training.nbp.player import Shown, player_data
from lava_nbp.training.nbp.spikes import sample_spikes
from lava_nbp.training.sections import Section, Table, embedded

if TYPE_CHECKING:
    from lava_nbp.training.run import Run

#: Samples of each kind, right and wrong, for the phase player.
_OF_EACH = 3
_LEGEND = (
    "Every square is a neuron; those that fire in this step are lit, and their number stands above. Lines carry the "
    "spikes of the step before (or of an earlier one, where they have a delay): blue are the dense weights, green "
    "copies, orange dashes cancel, pink opens gates, black inhibits. Connections on a broad grey rail are plastic; the "
    "rail turns red, and says what a weight changes by, in the phases in which it may learn. Arrow keys step, too.",
    "Each sample is run as a training sample, from silence and the weights of this run.",
)


def sections(run: Run, stage: Stage) -> list[Section]:
    """Phase player, phase table and plan; `stage` is told of them."""
    learner = run.learner
    assert isinstance(learner, NBPLearner)
    stage("phase player", 0, 2)
    player = player_data(learner.circuit, run.weights, _samples(run, learner), learner.dataset.classes)
    stage("plan", 1, 2)
    return [
        Section("player-section", "Phase player", list(_LEGEND), player=player),
        Section("phases", "Phases", tables=[Table([*learner.circuit.table_rows()], TABLE_HEAD)]),
        _plan(learner.circuit, run.config.target),
    ]


def _samples(run: Run, learner: NBPLearner) -> list[Shown]:
    """Some that are answered wrong, and some that are answered right."""
    test, said = learner.dataset.test, run.inference
    chosen = np.concatenate([np.flatnonzero(~said.right)[:_OF_EACH], np.flatnonzero(said.right)[:_OF_EACH]])
    spikes = zip(*sample_spikes(learner.circuit, test, chosen), strict=True)
    return [
        Shown(int(k), int(test.y[k]), int(said.classes[k]), brought, bool(said.right[k]))
        for k, brought in zip(chosen, spikes, strict=True)
    ]


def _plan(circuit: Circuit, target: str) -> Section:
    """On the board that the run's target means, or on the first of the table."""
    board = board_of(target) or next(iter(BOARDS.values()))
    try:
        plan = make_plan(circuit, board.name, "auto")
    except CircuitError as error:
        return Section("plan", "On a chip", [f"There is no plan: {error}."])
    e = plan.estimate
    texts = [
        f"On {plan.board.name}: {plan.n_cores} of {plan.board.cores} neurocores, {plan.demand.n_neurons} neurons, "
        f"{plan.demand.n_synapses} synapses; placement {plan.placement_name}. "
        + ("It fits." if plan.fits else "It does not fit: " + "; ".join([*plan.problems, *cures(plan)])),
        f"Estimate, not a measurement: {e.milliseconds:.2f} ms and {e.millijoules:.4f} mJ per training sample.",
    ]
    rows = [
        (name.replace("_", " "), int(plan.used[name].max()), limit, int(plan.used[name].sum()))
        for name, limit in plan.limits.items()
    ]
    table = Table(rows, ("resource of a core", "fullest core", "limit", "all cores"))
    with tempfile.TemporaryDirectory() as folder:
        drawn = core_map(plan, Path(folder) / "plan.png")
        figure = embedded(drawn, "Cores of the plan, coloured by their scarcest resource.")
    return Section("plan", "On a chip", texts, [table], [figure])
