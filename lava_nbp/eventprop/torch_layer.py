"""EventProp layers inside a PyTorch model: spike times in, spike times or voltages out, exact gradients for both.

Needs torch, which the extra `dl` brings.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from lava_nbp.base.checks import check_integer
from lava_nbp.base.extras import require
from lava_nbp.errors import InputError, unknown_name
from lava_nbp.eventprop.continuous.engine import EventPropEngine
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import MaxVoltageLoss, TTFSLoss
from lava_nbp.eventprop.trains import latency_trains

require("torch", "dl", "EventPropLayer")
import torch  # noqa: E402 - after the line that says how to get it

Output = Literal["first_spikes", "max_voltages"]


class EventPropLayer(torch.nn.Module):
    """A feed-forward network of LIF neurons as a module: (batch, n_in) times in, (batch, n_out) out.

    Parameters
    ----------
    sizes : sequence of int
        n_in, hidden layers, n_out.
    end : float
        Length of a trial, ms.
    p : NeuronParameters
        Time constants and threshold.
    output : {"first_spikes", "max_voltages"}
        First spike times in ms (inf: silent), or the largest voltages of an output layer that
        only integrates.
    means, deviations : sequence of float
        Of the normal distribution of every layer's initial weights, in units of the threshold.
    generator : torch.Generator, optional
        For the initial weights.
    threads : int
        Threads for a batch; results do not depend on it.

    Attributes
    ----------
    weights : ParameterList
        A (pre, post) float64 matrix per layer.

    Raises
    ------
    InputError
        For fewer than two sizes, other numbers of means than layers, or an unknown output.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        end: float,
        p: NeuronParameters | None = None,
        output: Output = "first_spikes",
        *,
        means: Sequence[float],
        deviations: Sequence[float],
        generator: torch.Generator | None = None,
        threads: int = 1,
    ) -> None:
        super().__init__()
        if len(sizes) < 2 or len(means) != len(sizes) - 1 or len(deviations) != len(sizes) - 1:
            raise InputError(
                f"{len(sizes)} sizes with {len(means)} means and {len(deviations)} deviations; give n_in and the size "
                f"of every layer, and a mean and a deviation per layer"
            )
        losses: dict[str, Any] = {"first_spikes": TTFSLoss(), "max_voltages": MaxVoltageLoss()}
        if output not in losses:
            raise InputError(unknown_name("output", output, losses))
        shapes = list(pairwise(sizes))
        for size in sizes:
            check_integer(size, 1, None, "size of a layer")
        self.weights = torch.nn.ParameterList(
            torch.nn.Parameter(mean + deviation * torch.randn(shape, generator=generator, dtype=torch.float64))
            for shape, mean, deviation in zip(shapes, means, deviations, strict=True)
        )
        start = [w.detach().numpy() for w in self.weights]
        self._engine = EventPropEngine(start, p or NeuronParameters(), losses[output], end, threads=threads)

    def forward(self, times: torch.Tensor) -> torch.Tensor:
        """First spike times or largest voltages (batch, n_out) of input spikes (batch, n_in) in ms, inf for none.

        Raises
        ------
        InputError
            For times outside the trial, or of another shape.
        """
        if times.ndim != 2 or times.shape[1] != self._engine.sizes[0]:
            raise InputError(f"times have shape {tuple(times.shape)}, but must be (batch, {self._engine.sizes[0]})")
        said: torch.Tensor = _EventProp.apply(self._engine, times, *self.weights)  # type: ignore[no-untyped-call]
        return said


class _EventProp(torch.autograd.Function):
    """The engine as a differentiable function of spike times and weights."""

    @staticmethod
    def forward(ctx: Any, engine: EventPropEngine, times: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        ctx.engine = engine
        ctx.save_for_backward(times, *weights)
        said = _load(engine, weights).infer(latency_trains(times.detach().cpu().numpy(), engine.end)).said
        return torch.from_numpy(said).to(dtype=times.dtype, device=times.device)

    @staticmethod
    def backward(ctx: Any, *by_said: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        # The samples run once more: cheaper than to keep every spike of them.
        times, *weights = ctx.saved_tensors
        engine = _load(ctx.engine, weights)
        trains = latency_trains(times.detach().cpu().numpy(), engine.end)
        # A silent output has no spike time that could move, whatever a loss makes of its inf.
        given = np.nan_to_num(by_said[0].detach().cpu().numpy(), nan=0.0, posinf=0.0, neginf=0.0)
        _, by_weights, by_spikes = engine.backpropagate(trains, given)
        by_times = np.zeros(tuple(times.shape))
        by_times[np.repeat(np.arange(len(trains)), np.diff(trains.offsets)), trains.sources] = by_spikes
        as_tensors = (
            torch.from_numpy(g).to(dtype=like.dtype, device=like.device)
            for g, like in zip((by_times, *by_weights), (times, *weights), strict=True)
        )
        return (None, *as_tensors)


def _load(engine: EventPropEngine, weights: Sequence[torch.Tensor]) -> EventPropEngine:
    for held, w in zip(engine.weights, weights, strict=True):
        held[...] = w.detach().cpu().numpy()
    return engine
