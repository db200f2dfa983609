"""Experiment configurations: TOML, strictly validated."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from lava_nbp.errors import ConfigError, unknown_name
from lava_nbp.limits import NEURONS_PER_CHIP, PLASTIC_WEIGHT_MAX, WEIGHT_STEP
from lava_nbp.nbp.rule import INITIAL_WEIGHT_MAX
from lava_nbp.target_names import Target


def _whole_number_as_float(value: Any) -> Any:
    """TOML writes 1 for 1.0; strict validation would refuse it."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


Real = Annotated[float, BeforeValidator(_whole_number_as_float)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class DataConfig(_Section):
    """[data]: which samples, and how they become spikes; see `lava_nbp.data.load_dataset`."""

    name: Literal["digits", "mnist", "fashion_mnist", "npz"]
    root: str | None = None
    path: str | None = None
    crop: int = Field(default=0, ge=0)
    side: int | None = Field(default=None, ge=1)
    threshold: Real = Field(default=0.5, ge=0, lt=1)
    validation: int = Field(default=0, ge=0)
    train: int | None = Field(default=None, ge=1)
    test: int | None = Field(default=None, ge=1)
    download: bool = False
    verify: bool = True


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
    #: .npz file with W1 and W2 to start from, instead of drawing them.
    weights: str | None = None


class LavaConfig(_Section):
    """[lava]: for the targets "lava" and "lava-primitives", whose granularity is always "step"."""

    granularity: Literal["step", "sample"] = "sample"
    timeout: Real | None = Field(default=None, gt=0)


class Experiment(_Section):
    """A whole configuration file."""

    algorithm: Literal["nbp"] = "nbp"
    target: Target = "sample"
    seed: int = Field(default=0, ge=0, lt=2**63)
    epochs: int = Field(ge=1, le=1_000_000)
    data: DataConfig
    network: NetworkConfig
    lava: LavaConfig = LavaConfig()


#: What may differ when a run is resumed: how long, and which executor (all give the same bits).
RESUMABLE = ("epochs", "target", "lava", "data.root", "data.path", "data.download", "data.verify")


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
    try:
        return Experiment.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(_explain(problem) for problem in error.errors())
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


def _explain(problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        allowed = _allowed_keys(problem["loc"])
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


def _allowed_keys(location: Sequence[Any]) -> list[str]:
    model: Any = Experiment
    for part in location[:-1]:
        model = model.model_fields[part].annotation
    return list(model.model_fields)
