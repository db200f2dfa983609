"""The table of targets: what can run a network, what it can do, and how to make it.

Nothing else repeats their names: configurations, the command line, its help, and the tests ask this table. A target
of your own is one more entry::

    from lava_nbp import TARGETS, Target
    TARGETS.register(Target("mine", "my own simulator", makes={"nbp": MyExecutor}))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from lava_nbp.base.checks import check_integer, check_name, check_text, shown
from lava_nbp.base.fields import settle
from lava_nbp.base.lava_repair import require_lava
from lava_nbp.base.registry import Reference, Registry, check_reference, resolve
from lava_nbp.errors import InputError, MissingPackageError


@dataclass(frozen=True)
class Target:
    """What runs networks: a row of the table.

    Attributes
    ----------
    name : str
        In configurations and on the command line.
    summary : str
        One line for people.
    makes : mapping
        By the algorithm whose networks it runs ("nbp", "eventprop", ...): what makes the executor, a callable or
        "package.module:name". For nBP it is called with (circuit, weights, **options), see
        `lava_nbp.nbp.executor.Executor`; for EventProp with (weights, setup, **options), see
        `lava_nbp.training.eventprop.learner`. One maker serves all of Lava's targets and all chips: on those it is
        told which, by target=name.
    per_sample : bool
        It computes whole samples, and needs a circuit with a per-sample form; see `lava_nbp.nbp.form`.
    on_lava, on_chip : bool
        Lava's CPU simulator runs it; a chip does, with Intel's lava-loihi.
    built_from : str
        Of Lava's targets and chips: which hierarchical model of a Process runs, the one that says the same
        `built_from`; "": a Process is one model.
    chip_order : bool
        It delivers the spikes of a step before that step's learning; see `lava_nbp.nbp.circuit.Circuit`.
    step_only : bool
        Of Lava's: a Lava step is always a step of the circuit, never a sample.
    faults, faults_apart : bool
        It can run broken networks, and those whose copies of a unit break one by one; see `lava_nbp.nbp.faults`.
    clocked : bool
        EventProp in fixed steps and integers.
    answers_only : tuple of str
        Algorithms whose trained networks it answers with, but does not train.
    shows_spikes : tuple of str
        Algorithms of whose networks its executor shows every spike by a method `spikes(trains, sample)`, see
        `lava_nbp.eventprop.ClockedEngine`; those of nBP are traced in their own way, see `lava_nbp.executors.trace`.
    instead : str
        How such networks learn there all the same, for messages; "": they do not.
    counts_work : bool
        It counts weight updates and gate breaches.
    chunk : int
        Samples per call: a call cannot be interrupted, and progress is shown between calls.

    Raises
    ------
    InputError
        For a chunk that is no positive integer, or a maker that is neither.
    """

    name: str
    summary: str
    makes: Mapping[str, Reference] = field(default_factory=dict)
    per_sample: bool = False
    on_lava: bool = False
    on_chip: bool = False
    built_from: str = ""
    chip_order: bool = False
    step_only: bool = False
    faults: bool = False
    faults_apart: bool = False
    clocked: bool = False
    answers_only: tuple[str, ...] = ()
    shows_spikes: tuple[str, ...] = ()
    instead: str = ""
    counts_work: bool = True
    chunk: int = 500

    def __post_init__(self) -> None:
        what = f"target {shown(self.name)}"
        for kind, maker in self.makes.items() if isinstance(self.makes, Mapping) else ():
            check_reference(maker, f"{what}: makes[{kind!r}]")
        check_integer(self.chunk, 1, None, f"{what}: chunk")
        settle(self, what, InputError)

    def maker(self, kind: str) -> Callable[..., Any]:
        """What makes its executor for an algorithm's networks; imported here.

        Raises
        ------
        MissingPackageError
            If it runs on Lava, and Lava is not installed.
        """
        self.require_lava()
        made = resolve(self.makes[kind])
        return partial(made, target=self.name) if self.on_lava or self.on_chip else made

    def lacks(self) -> str:
        """Why it cannot run on this machine for want of Lava, and the cure; "" if it can, as far as Lava goes."""
        try:
            self.require_lava()
        except MissingPackageError as error:
            return str(error)
        return ""

    def require_lava(self) -> None:
        """Raise MissingPackageError, with the cure, if it runs on Lava and Lava is not installed."""
        if self.on_lava or self.on_chip:
            require_lava(f"target {self.name!r}")


#: All targets.
TARGETS: Registry[Target] = Registry("target", Target)

_LAVA_NBP = "lava_nbp.executors.lava_nbp:LavaExecutor"
_LAVA_EVENTPROP = "lava_nbp.executors.lava_eventprop:LavaEventProp"
_STOCK_EVENTPROP = "lava_nbp.executors.eventprop_inference:EventPropInferenceExecutor"
#: What chips, and their rehearsal, run.
_ON_CHIP: Mapping[str, Any] = {"nbp": _LAVA_NBP, "eventprop": _STOCK_EVENTPROP}

for _target in (
    Target(
        "reference", "plain NumPy, a sample at a time: the oracle",
        {"nbp": "lava_nbp.nbp.reference:ReferenceExecutor"}, per_sample=True, chunk=100,
    ),
    Target(
        "sample", "compiled, a sample at a time: the one to train with",
        {"nbp": "lava_nbp.nbp.sample_engine:SampleExecutor"}, per_sample=True, faults=True, chunk=5000,
    ),
    Target(
        "spiking", "compiled, spike by spike",
        {"nbp": "lava_nbp.nbp.spiking_engine:SpikingExecutor"}, faults=True, faults_apart=True,
    ),
    Target(
        "continuous", "continuous time, compiled",
        {"eventprop": "lava_nbp.eventprop.continuous.engine:EventPropEngine"},
    ),
    Target(
        "clocked", "fixed steps and integers, compiled",
        {"eventprop": "lava_nbp.eventprop.clocked.engine:ClockedEngine"}, clocked=True,
        shows_spikes=("eventprop",),
    ),
    Target(
        "lava", "Lava's CPU simulator, one Process for the network",
        {"nbp": _LAVA_NBP, "eventprop": _LAVA_EVENTPROP}, on_lava=True, clocked=True,
    ),
    Target(
        "lava-primitives", "Lava's CPU simulator, a network of the library's parts",
        {"nbp": _LAVA_NBP, "eventprop": _LAVA_EVENTPROP}, on_lava=True, built_from="parts", step_only=True,
        clocked=True, chunk=20,
    ),
    Target(
        "lava-stock", "Lava's CPU simulator, a network of Lava's own Processes, as a chip has them",
        _ON_CHIP, on_lava=True, built_from="stock", step_only=True, chip_order=True, counts_work=False, clocked=True,
        answers_only=("eventprop",), shows_spikes=("eventprop",), chunk=10,
    ),
    Target(
        "loihi1", "Loihi 1, with Intel's lava-loihi",
        _ON_CHIP, on_chip=True, built_from="chip", step_only=True, chip_order=True, counts_work=False, clocked=True,
        answers_only=("eventprop",),
    ),
    Target(
        "loihi2", "Loihi 2, with Intel's lava-loihi",
        _ON_CHIP, on_chip=True, built_from="chip", step_only=True, chip_order=True, counts_work=False, clocked=True,
        answers_only=("eventprop",), instead="the Process EventPropNetwork learns there by programs, see docs/loihi.md",
    ),
):  # fmt: skip
    TARGETS.register(_target)


def targets_of(kind: str) -> tuple[str, ...]:
    """Names of the targets that run the networks of an algorithm; one that has none runs them itself, by its name."""
    check_text(kind, "algorithm")
    return tuple(name for name, target in TARGETS.items() if kind in target.makes) or (kind,)


def spike_by_spike(kind: str) -> str:
    """Names of the targets on this machine that run an algorithm's networks spike by spike, for messages."""
    return ", ".join(name for name in targets_of(kind) if not (TARGETS[name].per_sample or TARGETS[name].on_chip))


def find_target(name: str, kind: str, what: str = "target") -> Target:
    """The target of a name that runs the networks of an algorithm.

    Raises
    ------
    InputError
        For any other name, with those there are; `what` says where it stood.
    """
    check_name(name, what, targets_of(kind))
    return TARGETS[name] if name in TARGETS else Target(name, f"the algorithm {name} itself")
