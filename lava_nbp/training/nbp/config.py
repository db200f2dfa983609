"""Configurations of nBP: a circuit, where it runs, and what is broken there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from lava_nbp.base.targets import TARGETS, Target, targets_of
from lava_nbp.base.widths import PLASTIC_WEIGHT_MAX, WEIGHT_STEP
from lava_nbp.errors import ConfigError, unknown_name
from lava_nbp.nbp.circuit import Circuit
from lava_nbp.nbp.circuit_file import SUFFIX
from lava_nbp.nbp.circuits import CIRCUITS
from lava_nbp.nbp.faults import Faults
from lava_nbp.nbp.weights import INITIAL_WEIGHT_MAX
from lava_nbp.training.config import (
    AsSection,
    ConfigSection,
    DataConfig,
    Experiment,
    Real,
    Size,
    unknown_key,
)
from lava_nbp.training.loihi_config import LoihiConfig


def _one_or_several(value: Any) -> str:
    return "several" if isinstance(value, (list, tuple)) else "one"


#: The circuit of a run that got it from Python: no name of `CIRCUITS` looks like this.
GIVEN = "(given)"


class NetworkConfig(ConfigSection):
    """[network]: the circuit, its hidden layers, and the initial weights; the circuit's own options are keys, too.

    Options of the circuit, see `lava_nbp.nbp.circuits.CircuitKind`: "guarded" and "chip_order" of the paper's, true or
    false, see `lava_nbp.nbp.paper.paper_circuit`; "margin", "graded" and others of "nbp-deep", see
    `lava_nbp.nbp.deep.deep_circuit`.
    """

    model_config = ConfigDict(extra="allow")

    #: A name of `lava_nbp.CIRCUITS`, or a file that `save_circuit` has written, which ends in .json. "(given)": the
    #: circuit that `train` gets in Python, and that the run's checkpoint holds.
    circuit: str = "nbp"
    #: Size of the hidden layer, or of the hidden layers; not needed where the circuit says its own.
    n_hidden: (
        Annotated[
            Annotated[Size, Tag("one")] | Annotated[list[Size], Tag("several")],
            Discriminator(_one_or_several),
        ]
        | None
    ) = None
    initial_clip: int = Field(
        default=INITIAL_WEIGHT_MAX, ge=WEIGHT_STEP, le=PLASTIC_WEIGHT_MAX, multiple_of=WEIGHT_STEP
    )
    #: Factor on the spread of the first initial matrix, and mean of the last in weight units; 1 and 0 are the
    #: paper's, see `lava_nbp.nbp.weights.initial_weights`.
    initial_input_scale: Real = Field(default=1.0, ge=1e-12, le=100)
    initial_output_mean: Real = Field(default=0.0, ge=-PLASTIC_WEIGHT_MAX, le=PLASTIC_WEIGHT_MAX)
    #: File to start from, instead of drawing weights: .npz with the matrices, NIR or netx; see
    #: `lava_nbp.training.nbp.start`.
    weights: str | None = None

    @property
    def from_file(self) -> bool:
        """Whether the circuit is a file."""
        return self.circuit.endswith(SUFFIX)

    @property
    def hidden(self) -> tuple[int, ...] | None:
        """Sizes of the hidden layers; None: those of the file."""
        if self.n_hidden is None:
            return None
        return (self.n_hidden,) if isinstance(self.n_hidden, int) else tuple(self.n_hidden)

    @property
    def options(self) -> dict[str, Any]:
        """Options of the circuit, all of them."""
        return dict(self.model_extra or {})

    @model_validator(mode="before")
    @classmethod
    def _all_options(cls, content: Any) -> Any:
        """Those that are not said are the circuit's; what is false means nothing where there is no such option."""
        if not isinstance(content, Mapping):
            return content
        there = _options(content.get("circuit", cls.model_fields["circuit"].default))
        idle = {key for key in _every_option() - {*there} if content.get(key) is False}
        return {**there, **{key: value for key, value in content.items() if key not in idle}}

    @field_validator("circuit")
    @classmethod
    def _known_circuit(cls, name: str) -> str:
        if not name.endswith(SUFFIX) and name not in CIRCUITS and name != GIVEN:
            raise ValueError(f"{unknown_name('network.circuit', name, CIRCUITS)}, or a file, which ends in {SUFFIX}")
        return name

    @model_validator(mode="after")
    def _what_the_circuit_has(self) -> NetworkConfig:
        if self.hidden is None and self.circuit in CIRCUITS:
            raise ValueError(f"network.n_hidden is missing, but circuit {self.circuit!r} is made for any sizes; add it")
        there = _options(self.circuit)
        for key, value in self.options.items():
            if key not in _every_option():
                raise ValueError(unknown_key(f"network.{key}", value, [*type(self).model_fields, *there]))
            if key not in there:
                has = f"which has {', '.join(there)}" if there else "which has no options"
                said = "true" if value is True else repr(value)
                raise ValueError(f"network.{key} is {said}, but means nothing for circuit {self.circuit!r}, {has}")
            if isinstance(there[key], bool) and not isinstance(value, bool):
                raise ValueError(f"network.{key} = {value!r}: must be true or false")
        return self


def _options(circuit: Any) -> dict[str, Any]:
    """Options of a circuit by name, and what they are if nothing is said; lists, as files have them."""
    there = CIRCUITS[circuit].defaults if circuit in CIRCUITS else {}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in there.items()}


def _every_option() -> set[str]:
    return {option for kind in CIRCUITS.values() for option in kind.options}


class NBPExperiment(Experiment):
    """A configuration file with algorithm = "nbp"."""

    #: All executors give the same bits.
    resumable: ClassVar[tuple[str, ...]] = (*Experiment.resumable, "target")

    algorithm: Literal["nbp"] = "nbp"
    target: str = "sample"
    data: Annotated[DataConfig, AsSection()]
    network: NetworkConfig
    loihi: LoihiConfig = LoihiConfig()
    faults: Annotated[Faults, AsSection()] = Faults()

    @model_validator(mode="after")
    def _faults_somewhere(self) -> NBPExperiment:
        target = TARGETS[self.target]
        if self.faults.any and not target.faults:
            kind = next(f.name for f in fields(Faults) if getattr(self.faults, f.name))
            raise ValueError(f"target {target.name!r} cannot run with faults.{kind}; use one of {_that('faults')}")
        if self.faults.any and self.faults.apart and not target.faults_apart:
            raise ValueError(
                f"faults.apart breaks copies one by one, but target {target.name!r} has none; use target "
                f"{_that('faults_apart')}"
            )
        return self

    @model_validator(mode="after")
    def _order_of_the_target(self) -> NBPExperiment:
        if TARGETS[self.target].chip_order and self.network.options.get("chip_order") is False:
            raise ValueError(
                f"target {self.target!r} delivers spikes before it learns, as the chip does, but network.chip_order is "
                f"false; set network.chip_order = true, or network.circuit = {GIVEN!r} for a circuit from Python in "
                f"that order"
            )
        return self

    @model_validator(mode="after")
    def _board_of_the_target(self) -> NBPExperiment:
        self.loihi.check_target(self.target)
        return self

    @property
    def names_circuit(self) -> bool:
        """See `Experiment`: not one from Python, nor one whose file is gone."""
        n = self.network
        return n.circuit != GIVEN and not (n.from_file and not os.path.exists(n.circuit))

    def with_given_circuit(self) -> NBPExperiment:
        """See `Experiment`."""
        said = self.network.model_dump(exclude={"n_hidden", *self.network.options}, exclude_none=True)
        return self.model_copy(update={"network": NetworkConfig(**said | {"circuit": GIVEN})})


def check_order(target: Target, circuit: Circuit) -> None:
    """Check that a target delivers and learns in the order in which a circuit says it does.

    Raises
    ------
    ConfigError
        Says what to do.
    """
    if target.chip_order and not circuit.chip_order:
        raise ConfigError(
            f"target {target.name!r} delivers spikes before it learns, as the chip does, but circuit {circuit.name!r} "
            f"learns first; give circuit.in_chip_order()"
        )


def _that(can: str) -> str:
    """Names of the targets of nBP that can do something."""
    return ", ".join(name for name in targets_of("nbp") if getattr(TARGETS[name], can))
