"""How to make the executor of a target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lava_nbp.base.targets import CHIP_TARGETS, LAVA_TARGETS, NBP_TARGETS
from lava_nbp.errors import InputError, unknown_name
from lava_nbp.nbp.executor import Executor


def make_executor(target: str, layers: tuple[int, int, int], weights: Mapping[str, Any], **options: Any) -> Executor:
    """Make the executor of a target.

    Parameters
    ----------
    target : {"reference", "sample", "spiking", "lava", "lava-primitives", "lava-stock", "loihi1", "loihi2"}
        Plain NumPy oracle; compiled per-sample form; compiled spikes; Lava's CPU simulator
        with one process for the network; the same with a network of the library's parts; the
        same with Lava's stock processes; a chip, with Intel's lava-loihi.
    layers, weights
        As for `Executor`.
    **options
        `guarded` and `chip_order`, as for `Executor`. For "lava" `granularity` and `timeout`, for the
        others that Lava runs `timeout`, for chips `connection` and `chunk`; see `LavaExecutor`.

    Raises
    ------
    InputError
        For an unknown target.
    MissingLoihiError
        For a chip without lava-loihi, or without a board.
    """
    # Imported one by one: the oracle needs no compiler, and only one target needs Lava.
    if target == "reference":
        from lava_nbp.nbp.reference import ReferenceExecutor

        return ReferenceExecutor(layers, weights, **options)
    if target == "sample":
        from lava_nbp.nbp.sample_engine import SampleExecutor

        return SampleExecutor(layers, weights, **options)
    if target == "spiking":
        from lava_nbp.nbp.spiking_engine import SpikingExecutor

        return SpikingExecutor(layers, weights, **options)
    if target in (*LAVA_TARGETS, *CHIP_TARGETS):
        from lava_nbp.executors.lava_nbp import LavaExecutor

        return LavaExecutor(layers, weights, target=target, **options)
    raise InputError(unknown_name("target", target, NBP_TARGETS))
