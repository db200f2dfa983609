"""The table of algorithms: what an experiment of each has, how it learns, and what is shown of its runs.

Nothing else asks which algorithm a run has: it asks the run's entry here. An algorithm of your own is one more entry::

    from lava_nbp import ALGORITHMS, Algorithm
    ALGORITHMS.register(Algorithm("constant", "answers one class", ConstantExperiment, ConstantLearner))

after which `load_config`, `train`, `evaluate`, `compare`, `report` and `plot` know it. Unless entries of the table of
targets say that they run its networks, it runs them itself: `target` is its own name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lava_nbp.base.checks import check_kind, shown
from lava_nbp.base.fields import settle
from lava_nbp.base.registry import Reference, Registry, check_reference, resolve
from lava_nbp.errors import InputError

if TYPE_CHECKING:  # the table itself must not import what it refers to
    from lava_nbp.nbp.circuit import Circuit
    from lava_nbp.training.config import Experiment
    from lava_nbp.training.learner import Learner


#: Fields that say where something is.
_REFERENCES = ("config", "learner", "circuit", "checks", "figures", "sections", "network", "plan")


@dataclass(frozen=True)
class Algorithm:
    """How networks learn: a row of the table.

    What it refers to is a callable, or "package.module:name", imported when it is first needed.

    Attributes
    ----------
    name : str
        In configurations.
    summary : str
        One line for people.
    config
        Class of its experiments, a subclass of `lava_nbp.training.config.Experiment`.
    learner
        Class of its learners: learner(config) -> `lava_nbp.training.learner.Learner`; for networks that are circuits
        learner(config, circuit), where a circuit of None means the configuration's.
    circuit
        Of networks that are circuits: circuit(config, sizes=None) -> `Circuit`, the one that a configuration means for
        (inputs, classes), by default those of its data set. None: its networks are no circuits.
    checks
        What the matrices of a run must be: checks(weights, layers, circuit) raises WeightError. None: finite numbers
        are all that is asked for.
    figures
        What is drawn of a run beside what every run has: figures(run) -> {file name without suffix: `Drawing`}, `run`
        being a `lava_nbp.training.run.Run`; see `lava_nbp.training.sections`.
    sections
        What its reports have beside what every report has: sections(run, stage) -> list of `Section`.
    network
        The inference network for export: network(run, dt) -> `lava_nbp.exchange.dense.DenseNetwork`. None: it cannot
        be exported.
    plan
        What is planned on a chip: plan(config, run=None, inference=None, told) -> `lava_nbp.training.planned.Planned`,
        of a run or of what a configuration means, and of what only answers if `inference`; told as in
        `lava_nbp.training.learner.Learner.infer`. None: it has no plan.
    accuracy : str
        Figure of the test set by which runs are compared, without "test_" in front.

    Raises
    ------
    InputError
        For something in place of a callable that is none.
    """

    name: str
    summary: str
    config: Reference
    learner: Reference
    circuit: Reference | None = None
    checks: Reference | None = None
    figures: Reference | None = None
    sections: Reference | None = None
    network: Reference | None = None
    plan: Reference | None = None
    accuracy: str = "accuracy"

    def __post_init__(self) -> None:
        for name in _REFERENCES:
            if getattr(self, name) is not None or name in ("config", "learner"):
                check_reference(getattr(self, name), f"algorithm {shown(self.name)}: {name}")
        settle(self, f"algorithm {shown(self.name)}", InputError)

    @property
    def experiment(self) -> type[Experiment]:
        """The class of its experiments."""
        found: type[Experiment] = resolve(self.config)  # type: ignore[assignment]
        return found


#: All algorithms.
ALGORITHMS: Registry[Algorithm] = Registry("algorithm", Algorithm)

_HERE = "lava_nbp.training"

for _algorithm in (
    Algorithm(
        "nbp",
        "the paper's circuit, or one of your own: backpropagation on the chip, by spikes",
        f"{_HERE}.nbp.config:NBPExperiment",
        f"{_HERE}.nbp.learner:NBPLearner",
        circuit=f"{_HERE}.nbp.network:circuit_of",
        checks=f"{_HERE}.nbp.network:check_matrices",
        figures=f"{_HERE}.nbp.figures:figures",
        sections=f"{_HERE}.nbp.sections:sections",
        network=f"{_HERE}.nbp.network:exported",
        plan=f"{_HERE}.nbp.network:planned",
        accuracy="accuracy_spikes",
    ),
    Algorithm(
        "eventprop",
        "exact gradients of spike times, in continuous time or in steps and integers",
        f"{_HERE}.eventprop.config:EventPropExperiment",
        f"{_HERE}.eventprop.learner:EventPropLearner",
        checks=f"{_HERE}.eventprop.network:check_arrays",
        figures=f"{_HERE}.eventprop.figures:figures",
        network=f"{_HERE}.eventprop.network:exported",
        plan=f"{_HERE}.eventprop.planned:planned",
    ),
    Algorithm(
        "slayer",
        "lava-dl's surrogate gradients, to compare with",
        f"{_HERE}.slayer.config:SLAYERExperiment",
        f"{_HERE}.slayer.learner:SLAYERLearner",
        checks=f"{_HERE}.checkpoint:check_layered",
        figures=f"{_HERE}.slayer.figures:figures",
        network=f"{_HERE}.slayer.network:exported",
    ),
):
    ALGORITHMS.register(_algorithm)


def make_learner(config: Experiment, circuit: Circuit | None = None) -> Learner:
    """Load the data of an experiment, and set up its network.

    Parameters
    ----------
    config : Experiment
        What to do.
    circuit : Circuit, optional
        What to train, instead of the configuration's circuit.

    Raises
    ------
    InputError
        For a circuit where networks are none.
    LavaNBPError
        For data or a network that cannot be.
    """
    from lava_nbp.training.config import Experiment

    check_kind(config, Experiment, "configuration")
    algorithm = ALGORITHMS[config.algorithm]
    if circuit is not None:
        from lava_nbp.nbp.circuit import check_circuit

        check_circuit(circuit)
    if algorithm.circuit is None and circuit is not None:
        raise InputError(f"circuit {circuit.name!r} is given, but networks of {algorithm.name} are no circuits")
    learner: Learner = resolve(algorithm.learner)(*((config,) if algorithm.circuit is None else (config, circuit)))
    return learner
