"""The names of the executors, and how to make each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from lava_nbp.errors import InputError
from lava_nbp.nbp.executor import Executor

Target = Literal["reference", "sample", "spiking", "lava"]
TARGETS: tuple[str, ...] = get_args(Target)


def make_executor(
    target: str, layers: tuple[int, int, int], weights: Mapping[str, Any], *, guarded: bool = False, **options: Any
) -> Executor:
    """Make the executor of a target.

    Parameters
    ----------
    target : {"reference", "sample", "spiking", "lava"}
        Plain NumPy oracle; compiled per-sample form; compiled spikes; Lava's CPU simulator.
    layers, weights, guarded
        As for `Executor`.
    **options
        For "lava": `granularity` and `timeout`, see `LavaExecutor`.

    Raises
    ------
    InputError
        For an unknown target.
    """
    # Imported one by one: the oracle needs no compiler, and only one target needs Lava.
    if target == "reference":
        from lava_nbp.nbp.reference import ReferenceExecutor

        return ReferenceExecutor(layers, weights, guarded=guarded)
    if target == "sample":
        from lava_nbp.nbp.sample_engine import SampleExecutor

        return SampleExecutor(layers, weights, guarded=guarded)
    if target == "spiking":
        from lava_nbp.nbp.spiking_engine import SpikingExecutor

        return SpikingExecutor(layers, weights, guarded=guarded)
    if target == "lava":
        from lava_nbp.lava_executor import LavaExecutor

        return LavaExecutor(layers, weights, guarded=guarded, **options)
    raise InputError(f"target is {target!r}, but must be one of {', '.join(TARGETS)}")
