"""Experiment configurations: TOML, strictly validated."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import tomli
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from lava_nbp.base.targets import CHIP_ORDER_TARGETS, FAULT_TARGETS
from lava_nbp.base.widths import BOARDS, NEURONS_PER_CHIP, PLASTIC_WEIGHT_MAX, WEIGHT_STEP
from lava_nbp.errors import ConfigError, unknown_name
from lava_nbp.eventprop.clocked.arithmetic import ADJOINT_BITS, COEFFICIENT_BITS, THETA_BITS
from lava_nbp.eventprop.policies import SilentName
from lava_nbp.nbp.rule import INITIAL_WEIGHT_MAX


def _whole_number_as_float(value: Any) -> Any:
    """TOML writes 1 for 1.0; strict validation would refuse it."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


Real = Annotated[float, BeforeValidator(_whole_number_as_float)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _AnyDataConfig(_Section):
    root: str | None = None
    path: str | None = None
    crop: int = Field(default=0, ge=0)
    side: int | None = Field(default=None, ge=1)
    validation: int = Field(default=0, ge=0)
    train: int | None = Field(default=None, ge=1)
    test: int | None = Field(default=None, ge=1)
    download: bool = False
    verify: bool = True


class DataConfig(_AnyDataConfig):
    """[data]: which samples, and how they become spikes; see `lava_nbp.data.load_dataset`."""

    name: Literal["digits", "mnist", "fashion_mnist", "npz"]
    threshold: Real = Field(default=0.5, ge=0, lt=1)


class NetworkConfig(_Section):
    """[network]: the hidden layer, and the initial weights."""

    n_hidden: int = Field(ge=1, le=NEURONS_PER_CHIP)
    initial_clip: int = Field(
        default=INITIAL_WEIGHT_MAX, ge=WEIGHT_STEP, le=PLASTIC_WEIGHT_MAX, multiple_of=WEIGHT_STEP
    )
    #: Factor on the spread of the initial W1, and mean of the initial W2 in weight units; 1 and 0 are the
    #: paper's, see `lava_nbp.nbp.rule.initial_weights`.
    initial_input_scale: Real = Field(default=1.0, gt=0, le=100)
    initial_output_mean: Real = Field(default=0.0, ge=-PLASTIC_WEIGHT_MAX, le=PLASTIC_WEIGHT_MAX)
    #: Stronger and further inhibition than the paper's, see `lava_nbp.nbp.circuit.training_circuit`.
    guarded: bool = False
    #: Spikes are delivered before that step's learning, as the chip does it; see `lava_nbp.nbp.circuit.Circuit`.
    chip_order: bool = False
    #: File to start from, instead of drawing weights: .npz with W1 and W2, NIR or netx; see `lava_nbp.training.start`.
    weights: str | None = None


class LavaConfig(_Section):
    """[lava]: for the targets "lava", and those whose granularity is always "step"."""

    granularity: Literal["step", "sample"] = "sample"
    timeout: Real | None = Field(default=None, gt=0)


class LoihiConfig(_Section):
    """[loihi]: for the targets "loihi1" and "loihi2"; see `lava_nbp.loihi.host.Connection` and docs/loihi.md."""

    board: str | None = None
    partition: str | None = None
    node: str | None = None
    generation: str | None = None
    host: str | None = None
    #: Samples that are loaded and run at once.
    chunk: int = Field(default=500, ge=1)

    @model_validator(mode="after")
    def _one_place(self) -> LoihiConfig:
        if sum(value is not None for value in (self.partition, self.node, self.host)) > 1:
            raise ValueError("partition, node and host each say where to run; give one of them")
        if self.board is not None and self.board not in BOARDS:
            raise ValueError(unknown_name("board", self.board, BOARDS))
        return self


class FaultsConfig(_Section):
    """[faults]: what is broken; see `lava_nbp.nbp.faults.Faults`. Targets "sample" and "spiking" only."""

    dead: Real = Field(default=0.0, ge=0, le=1)
    lost: Real = Field(default=0.0, ge=0, le=1)
    stuck: Real = Field(default=0.0, ge=0, le=1)
    flips: Real = Field(default=0.0, ge=0, le=1)
    dropped: Real = Field(default=0.0, ge=0, le=1)
    spurious: Real = Field(default=0.0, ge=0, le=1)
    pulse_loss: Real = Field(default=0.0, ge=0, le=1)
    apart: bool = False
    seed: int = Field(default=0, ge=0, lt=2**63)


class Experiment(_Section):
    """What every configuration file has: how long, and from which seed."""

    #: Keys that may differ when a run is resumed: how long, and where the data are.
    resumable: ClassVar[tuple[str, ...]] = (
        "epochs", "lava", "loihi", "data.root", "data.path", "data.download", "data.verify",
    )  # fmt: skip

    algorithm: str
    target: str
    seed: int = Field(default=0, ge=0, lt=2**63)
    epochs: int = Field(ge=1, le=1_000_000)
    lava: LavaConfig = LavaConfig()


class NBPExperiment(Experiment):
    """A configuration file with algorithm = "nbp"."""

    #: All executors give the same bits.
    resumable: ClassVar[tuple[str, ...]] = (*Experiment.resumable, "target")

    algorithm: Literal["nbp"] = "nbp"
    target: str = "sample"
    data: DataConfig
    network: NetworkConfig
    loihi: LoihiConfig = LoihiConfig()
    faults: FaultsConfig = FaultsConfig()

    @model_validator(mode="after")
    def _faults_somewhere(self) -> NBPExperiment:
        broken = [key for key, value in self.faults.model_dump(exclude={"apart", "seed", "flips"}).items() if value]
        if broken and self.target not in FAULT_TARGETS:
            raise ValueError(
                f"target {self.target!r} cannot run with faults.{broken[0]}; use one of {', '.join(FAULT_TARGETS)}"
            )
        if broken and self.faults.apart and self.target == "sample":
            raise ValueError("faults.apart breaks copies one by one, but target 'sample' has none; use target spiking")
        return self

    @model_validator(mode="after")
    def _chip_order(self) -> NBPExperiment:
        if self.target in CHIP_ORDER_TARGETS and not self.network.chip_order:
            raise ValueError(
                f"target {self.target!r} delivers spikes before it learns, as the chip does, but "
                f"network.chip_order is false; set network.chip_order = true"
            )
        return self


class LatencyDataConfig(_AnyDataConfig):
    """[data] of EventProp; see `lava_nbp.data.load_latency_dataset`."""

    name: Literal["yinyang", "digits", "mnist", "fashion_mnist", "npz"]
    source: Literal["auto", "published", "generated"] = "auto"


class EncodingConfig(_Section):
    """[encoding]: one spike per value, in ms; see `lava_nbp.data.latency_dataset.Encoding`."""

    early: Real = Field(default=0.0, ge=0)
    late: Real = Field(gt=0)
    #: Time of a spike that every sample has beside; without the key there is none.
    bias: Real | None = Field(default=None, ge=0)
    darkest: int = Field(default=1, ge=0, lt=255)
    #: Length of a trial.
    end: Real = Field(gt=0)


class LayersConfig(_Section):
    """[network] of EventProp: hidden layers, and normal distributions of the initial weights, in thresholds."""

    hidden: list[Annotated[int, Field(ge=1, le=NEURONS_PER_CHIP)]] = Field(min_length=1)
    initial_mean: list[Real]
    initial_deviation: list[Annotated[Real, Field(ge=0)]]
    #: Recurrent weights within a layer, of the mean 0; 0: the layer has none. Target "continuous" only.
    recurrent_deviation: list[Annotated[Real, Field(ge=0)]] | None = None
    #: File to start from, instead of drawing W1 .. Wn: .npz (in thresholds), NIR or netx; see
    #: `lava_nbp.training.start`.
    weights: str | None = None

    @model_validator(mode="after")
    def _one_per_layer(self) -> LayersConfig:
        layers = len(self.hidden) + 1
        for key in ("initial_mean", "initial_deviation", "recurrent_deviation"):
            given = getattr(self, key)
            if given is not None and len(given) != layers:
                raise ValueError(f"{key} has {len(given)} entries, but there are {layers} layers behind the input")
        return self


class NeuronConfig(_Section):
    """[neuron]: time constants in ms, and the threshold."""

    tau_m: Real = Field(default=20.0, gt=0)
    tau_s: Real = Field(default=5.0, gt=0)
    theta: Real = Field(default=1.0, gt=0)


class LossConfig(_Section):
    """[loss]: "ttfs" with its time constants in ms, or "max_voltage", which has none."""

    name: Literal["ttfs", "max_voltage"] = "ttfs"
    tau0: Real = Field(default=0.5, gt=0)
    tau1: Real = Field(default=6.4, gt=0)
    alpha: Real = Field(default=0.003, ge=0)


class LearningConfig(_Section):
    """[learning]: optimizer, batches, and policies."""

    optimizer: Literal["adam", "sgd"] = "adam"
    rate: Real = Field(default=5e-3, gt=0)
    #: Factor on the rate per epoch; the first two epochs have the full rate, as the authors' code has it.
    decay: Real = Field(default=0.95, gt=0, le=1)
    batch: int = Field(default=32, ge=1)
    #: Share of the input spikes that are left out, drawn anew for every epoch.
    dropout: Real = Field(default=0.0, ge=0, lt=1)
    silent: SilentName = "none"
    #: What a tie between outputs counts as where epochs are compared; results have both figures.
    ties: Literal["wrong", "right"] = "wrong"
    silent_strength: Real = Field(default=1.0, ge=0)
    silent_target: Real = Field(default=1.0, ge=0)
    #: Lower bound of I - theta in the adjoint jump of the target "continuous", in thresholds.
    floor: Real = Field(default=1e-9, gt=0)
    threads: int = Field(default=1, ge=1, le=1024)


class ClockedConfig(_Section):
    """[clocked]: step and widths of the targets "clocked" and "lava"; see `lava_nbp.eventprop.clocked.arithmetic`."""

    dt: Real = Field(default=0.5, gt=0)
    theta_bits: int = Field(default=THETA_BITS, ge=1)
    coefficient_bits: int = Field(default=COEFFICIENT_BITS, ge=1)
    adjoint_bits: int = Field(default=ADJOINT_BITS, ge=1)
    floor: Real = Field(default=0.1, gt=0)
    #: Largest weight of each layer that 8 bits shall hold, in thresholds.
    largest_weight: list[Annotated[Real, Field(gt=0)]] | None = None


class EventPropExperiment(Experiment):
    """A configuration file with algorithm = "eventprop"."""

    resumable: ClassVar[tuple[str, ...]] = (*Experiment.resumable, "learning.threads")

    algorithm: Literal["eventprop"]
    target: str = "continuous"
    data: LatencyDataConfig
    encoding: EncodingConfig
    network: LayersConfig
    neuron: NeuronConfig = NeuronConfig()
    loss: LossConfig = LossConfig()
    learning: LearningConfig = LearningConfig()
    clocked: ClockedConfig = ClockedConfig()


class SLAYERNetworkConfig(_Section):
    """[network] of SLAYER: hidden layers, the step in ms, and the initial weights' width, in 1 / sqrt(pre)."""

    hidden: list[Annotated[int, Field(ge=1, le=NEURONS_PER_CHIP)]] = Field(min_length=1)
    dt: Real = Field(gt=0)
    initial_scale: Real = Field(default=1.0, gt=0)


class SLAYERNeuronConfig(_Section):
    """[neuron] of SLAYER: threshold, decays per step, surrogate gradient; see `lava.lib.dl.slayer.neuron.cuba`."""

    threshold: Real = Field(default=1.25, gt=0)
    current_decay: Real = Field(default=0.25, gt=0, le=1)
    voltage_decay: Real = Field(default=0.03, ge=0, le=1)
    #: Smaller than lava-dl's examples have it: their trials are longer, and 0.03 learned worse here.
    tau_grad: Real = Field(default=0.005, gt=0)
    scale_grad: Real = Field(default=3.0, gt=0)


class SLAYERLearningConfig(_Section):
    """[learning] of SLAYER: Adam, and the spike rates that label and other outputs shall have, in spikes per step."""

    rate: Real = Field(default=1e-3, gt=0)
    batch: int = Field(default=32, ge=1)
    true_rate: Real = Field(default=0.2, gt=0, le=1)
    false_rate: Real = Field(default=0.02, ge=0, lt=1)
    threads: int = Field(default=1, ge=1, le=1024)


class SLAYERExperiment(Experiment):
    """A configuration file with algorithm = "slayer": lava-dl's surrogate gradients, to compare with."""

    resumable: ClassVar[tuple[str, ...]] = (*Experiment.resumable, "learning.threads")

    algorithm: Literal["slayer"]
    target: Literal["slayer"] = "slayer"
    data: LatencyDataConfig
    encoding: EncodingConfig
    network: SLAYERNetworkConfig
    neuron: SLAYERNeuronConfig = SLAYERNeuronConfig()
    learning: SLAYERLearningConfig = SLAYERLearningConfig()


_EXPERIMENTS: dict[str, type[Experiment]] = {
    "nbp": NBPExperiment,
    "eventprop": EventPropExperiment,
    "slayer": SLAYERExperiment,
}


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Experiment:
    """Read and check a configuration.

    Parameters
    ----------
    path : path
        TOML file.
    overrides : sequence of str
        "key=value" with dotted keys ("data.validation=5000"); values as in TOML, bare words are strings.

    Raises
    ------
    ConfigError
        Names the file or override, the key, the value, and what is allowed.
    """
    try:
        with open(path, "rb") as file:
            content = tomli.load(file)
    except OSError as error:
        raise ConfigError(f"configuration {path} cannot be read: {error.strerror}") from error
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration {path} is not valid TOML: {error}") from error
    for override in overrides:
        _override(content, override)
    return parse_config(content, str(path))


def parse_config(content: dict[str, Any], where: str) -> Experiment:
    """Check a configuration given as a dictionary; `where` names it in messages.

    Raises
    ------
    ConfigError
        As for `load_config`.
    """
    algorithm = content.get("algorithm", "nbp")
    if not isinstance(algorithm, str) or algorithm not in _EXPERIMENTS:
        raise ConfigError(f"configuration {where}: {unknown_name('algorithm', algorithm, list(_EXPERIMENTS))}")
    kind = _EXPERIMENTS[algorithm]
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(_explain(problem, kind) for problem in error.errors())
        raise ConfigError(f"configuration {where}: {problems}") from None


def flatten(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"data": {"crop": 4}} as {"data.crop": 4}."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _override(content: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(f"--set {override}: write key=value, with dots for sections, like data.validation=5000")
    try:
        value = tomli.loads(f"value = {text}")["value"]
    except tomli.TOMLDecodeError:
        value = text.strip()
    section = content
    for part in parts[:-1]:
        inner = section.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {override}: {part} is a value, not a section")
        section = inner
    section[parts[-1]] = value


def _explain(problem: Any, kind: type[Experiment]) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        allowed = _allowed_keys(problem["loc"], kind)
        close = difflib.get_close_matches(str(problem["loc"][-1]), allowed, n=1)
        hint = f"did you mean {close[0]}?" if close else f"allowed are {', '.join(allowed)}"
        return f"unknown key {key} = {problem['input']!r}; {hint}"
    if problem["type"] == "missing":
        return f"key {key} is missing; add it"
    if problem["type"] == "model_type":
        return f"{key} = {problem['input']!r}: must be a section, [{key}] with keys below it"
    if problem["type"] == "literal_error":
        return unknown_name(key, problem["input"], re.findall(r"'([^']*)'", problem["ctx"]["expected"]))
    message = problem["msg"][0].lower() + problem["msg"][1:]
    return f"{key} = {problem['input']!r}: {message}"


def _allowed_keys(location: Sequence[Any], kind: type[Experiment]) -> list[str]:
    model: Any = kind
    for part in location[:-1]:
        model = model.model_fields[part].annotation
    return list(model.model_fields)
