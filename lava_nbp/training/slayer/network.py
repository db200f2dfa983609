"""The network of a SLAYER experiment: lava-dl's layers, and what of them the chip would hold."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lava_nbp.base.extras import require
from lava_nbp.base.widths import ALIGNMENT_BITS, VOLTAGE_DECAY_ALL
from lava_nbp.errors import InputError
from lava_nbp.exchange.dense import DenseNetwork
from lava_nbp.training.learner import Arrays
from lava_nbp.training.slayer.config import SLAYERExperiment

if TYPE_CHECKING:
    from lava_nbp.training.run import Run


def load_slayer() -> Any:
    """lava-dl's SLAYER.

    Raises
    ------
    InputError
        If lava-dl is not installed.
    """
    # It prints about missing CUDA and demonstrations that are none of the user's business here.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return require("lava.lib.dl.slayer", "dl", "algorithm slayer")


def load_torch() -> Any:
    """PyTorch; errors as for `load_slayer`."""
    return require("torch", "dl", "algorithm slayer")


def blocks(config: SLAYERExperiment, weights: Mapping[str, Any]) -> list[Any]:
    """Layers of lava-dl with 8-bit weights; errors as for `load_slayer`."""
    slayer, parameters = load_slayer(), dict(config.neuron.model_dump(), requires_grad=False)
    made = []
    for k in range(1, len(weights) + 1):
        block = slayer.block.cuba.Dense(parameters, *weights[f"W{k}"].shape, weight_norm=False)
        block.synapse.pre_hook_fx = block.neuron.quantize_8bit
        set_weights(block.synapse.weight, weights[f"W{k}"])
        made.append(block)
    return made


def set_weights(parameter: Any, matrix: Any) -> None:
    """Give a block's parameter (post, pre, 1, 1, 1) a matrix (pre, post)."""
    torch = load_torch()
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(np.ascontiguousarray(matrix.T)).reshape(parameter.shape))


def device_layers(config: SLAYERExperiment, weights: Arrays) -> list[tuple[Any, dict[str, Any]]]:
    """Integer weights (pre, post) and neuron registers of every layer, as lava-dl would give them to the chip.

    Raises
    ------
    InputError
        If lava-dl is not installed.
    """
    found = []
    for block in blocks(config, weights):
        w = block.neuron.quantize_8bit(block.synapse.weight, descale=True).detach().numpy()
        found.append((w.reshape(w.shape[:2]).T.astype(np.int64), block.neuron.device_params))
    return found


def exported(run: Run, dt: float | None = None) -> DenseNetwork:
    """The inference network of a run.

    Raises
    ------
    InputError
        For another dt than the one that it learned with, or without lava-dl.
    """
    config = run.config
    assert isinstance(config, SLAYERExperiment)
    if dt is not None and dt != config.network.dt:
        raise InputError(
            f"dt is {dt:g} ms, but the run learned with {config.network.dt:g} ms (network.dt); leave --dt out"
        )
    layers = device_layers(config, run.weights)
    registers = layers[0][1]
    # Voltages are multiples of 1/64 weight: theta between the largest that does not fire and the next.
    theta = registers["vThMant"] + 0.5 / (1 << ALIGNMENT_BITS)
    alpha, beta = (1 - registers[key] / VOLTAGE_DECAY_ALL for key in ("vDecay", "iDecay"))
    matrices = tuple(w.astype(float) for w, _ in layers)
    return DenseNetwork(matrices, theta, alpha, beta, 1.0, config.network.dt, about=run.about)
