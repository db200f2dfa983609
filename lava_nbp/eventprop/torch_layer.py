"""EventProp layers inside a PyTorch model: spike times in, spike times or voltages out, exact gradients for both.

Needs torch, which the extra `dl` brings.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import Any, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_integer, check_name, check_positive, check_real, is_real, shown
from lava_nbp.base.extras import require
from lava_nbp.base.memory import check_memory
from lava_nbp.errors import DerivativeError, InputError
from lava_nbp.eventprop.continuous.engine import EventPropEngine
from lava_nbp.eventprop.equations import Float64Array, NeuronParameters
from lava_nbp.eventprop.losses import MaxVoltageLoss, MeanVoltageLoss, TTFSLoss
from lava_nbp.eventprop.result import Result
from lava_nbp.eventprop.trains import latency_trains

require("torch", "dl", "EventPropLayer")
import torch  # noqa: E402 - after the line that says how to get it

Output = Literal["first_spikes", "max_voltages", "mean_voltages"]

#: Those in which spike times keep their precision.
_TYPES = (torch.float32, torch.float64)
#: The engine's memory per weight: the weight, its gradients in parts of a batch, and what an optimizer would remember.
_BYTES_PER_WEIGHT = 8 * 12


class EventPropLayer(torch.nn.Module):
    """A feed-forward network of LIF neurons as a module: (batch, n_in) times in, (batch, n_out) out.

    Weights and times may be float64 or float32; the engine computes in float64. Derivatives are exact, and the first
    ones only: whatever would differentiate them again is refused, and so are vmap and forward mode. A layer may be used
    several times in a model, and in several threads; `torch.compile` leaves it as it is. While it is trained, it warns,
    once, of a layer that did not spike in a whole batch.

    Parameters
    ----------
    sizes : sequence of int
        n_in, hidden layers, n_out.
    end : float
        Length of a trial, ms.
    p : NeuronParameters
        Time constants and threshold.
    output : {"first_spikes", "max_voltages", "mean_voltages"}
        First spike times in ms, or the largest or the mean voltages of an output layer that only integrates.
    means, deviations : sequence of float
        Of the normal distribution of every layer's initial weights, in units of the threshold.
    generator : torch.Generator, optional
        For the initial weights.
    threads : int
        Threads for a batch; results do not depend on it.
    silence : float
        First spike time that a silent output says, ms: inf, which the next layer takes for no spike, or a finite time,
        `end` or later, with which a cross-entropy of times stays finite where a label's output is silent. Its
        derivative is 0 either way: a spike that is not there cannot be moved.
    tau : float
        Of mean voltages, ms: times count exp(-t / tau), or all alike if it is inf.

    Attributes
    ----------
    weights : ParameterList
        A (pre, post) float64 matrix per layer.

    Raises
    ------
    InputError
        For arguments of the wrong type or value: fewer than two sizes, other numbers of means than layers, an unknown
        output, numbers that are not finite, a layer that does not fit into memory.
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
        silence: float = math.inf,
        tau: float = math.inf,
    ) -> None:
        super().__init__()
        sizes, means, deviations = (
            _several(values, what) for values, what in ((sizes, "sizes"), (means, "means"), (deviations, "deviations"))
        )
        if len(sizes) < 2 or len(means) != len(sizes) - 1 or len(deviations) != len(sizes) - 1:
            raise InputError(
                f"{len(sizes)} sizes with {len(means)} means and {len(deviations)} deviations; give n_in and the size "
                f"of every layer, and a mean and a deviation per layer"
            )
        losses: dict[str, Any] = {
            "first_spikes": TTFSLoss(), "max_voltages": MaxVoltageLoss(), "mean_voltages": MeanVoltageLoss(tau),
        }  # fmt: skip
        check_name(output, "output", losses)
        if output != "mean_voltages" and tau != math.inf:
            raise InputError(f"tau is {shown(tau)}, but only mean_voltages have it, not {output}; leave it out")
        self.sizes = [check_integer(size, 1, None, "size of a layer") for size in sizes]
        end = check_positive(end, "end of the trial (ms)")
        if not (is_real(silence) and silence == math.inf):
            silence = _check_silence(silence, end, output)
        for value, kind, what in ((p, NeuronParameters, "p"), (generator, torch.Generator, "generator")):
            if value is not None and not isinstance(value, kind):
                raise InputError(f"{what} is {shown(value)}, but must be a {kind.__name__}, or None")
        check_integer(threads, 1, None, "threads")
        shapes = list(pairwise(self.sizes))
        check_memory(
            _BYTES_PER_WEIGHT * sum(m * n for m, n in shapes), f"a layer of sizes {self.sizes}", "make it smaller"
        )
        means = [check_real(mean, -math.inf, math.inf, "mean of weights") for mean in means]
        deviations = [check_real(deviation, 0, math.inf, "deviation of weights") for deviation in deviations]
        self.weights = torch.nn.ParameterList(
            torch.nn.Parameter(mean + deviation * torch.randn(shape, generator=generator, dtype=torch.float64))
            for shape, mean, deviation in zip(shapes, means, deviations, strict=True)
        )
        make = partial(EventPropEngine, p=p or NeuronParameters(), loss=losses[output], end=end, threads=threads)
        self._engine = _Engines(make, self.sizes, end, silence)

    def forward(self, times: torch.Tensor) -> torch.Tensor:
        """First spike times or voltages (batch, n_out) of input spikes (batch, n_in) in ms, inf for none.

        Raises
        ------
        InputError
            For times outside the trial, or of another shape or type; for weights that somebody has exchanged for some
            of another shape or type, or that are not finite.
        """
        if torch.compiler.is_compiling():  # there is nothing to compile: leave the graph, and run as ever
            said: torch.Tensor = torch.compiler.disable(self._run)(times)  # type: ignore[no-untyped-call]
            return said
        return self._run(times)

    def _run(self, times: torch.Tensor) -> torch.Tensor:
        n_in = self.sizes[0]
        if not isinstance(times, torch.Tensor):
            raise InputError(f"times are a {type(times).__name__}, but must be a torch.Tensor; see torch.as_tensor")
        if times.ndim != 2 or times.shape[1] != n_in:
            raise InputError(f"times have shape {tuple(times.shape)}, but must be (batch, {n_in})")
        _check_type(times, "times")
        if torch._C._are_functorch_transforms_active():
            raise DerivativeError(
                "EventPropLayer knows nothing of torch.func and vmap; use torch.autograd, and one batch of all samples"
            )
        said: torch.Tensor = _EventProp.apply(self._engine, times, *self.weights)  # type: ignore[no-untyped-call]
        if self.training and torch.is_grad_enabled():
            self._engine.mind_silence(len(times))
        return said


class _Engines:
    """The engines of one layer: one for everybody who runs it at this moment, since an engine holds its sample's state.

    Copies and pickles have none; they make their own.
    """

    def __init__(self, make: Callable[..., EventPropEngine], sizes: Sequence[int], end: float, silence: float) -> None:
        self.end, self.silence = end, silence
        self._make, self._sizes = make, sizes
        self._free: list[EventPropEngine] = []
        self._deepest, self._told = len(sizes), False

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_free": []}

    @contextmanager
    def holding(self, weights: Sequence[torch.Tensor]) -> Iterator[EventPropEngine]:
        """An engine with these weights, after a check; two threads never get the same."""
        matrices = self._matrices(weights)
        engine = self._free.pop() if self._free else self._make(matrices)
        for held, matrix in zip(engine.weights, matrices, strict=True):
            held[...] = matrix
        try:
            yield engine
        finally:
            self._free.append(engine)

    def heard(self, result: Result) -> None:
        """What the layer has just said: how deep its spikes reached."""
        spiking = len(self._sizes) - (2 if result.voltages else 1)
        self._deepest = result.deepest_layer if result.deepest_layer < spiking else len(self._sizes)

    def mind_silence(self, n_samples: int) -> None:
        """Warn, once, of layers that did not spike in the batch that was just run: no gradient reaches them."""
        if n_samples > 1 and self._deepest < len(self._sizes) and not self._told:
            self._told = True
            warnings.warn(
                f"EventPropLayer: layer {self._deepest + 1} of {len(self._sizes) - 1} did not spike once in a batch of "
                f"{n_samples} samples, and what does not spike has no gradient; start from larger means, or add to the "
                f"weights of silent neurons between steps (as the silent policy 'bump' does in training runs)",
                RuntimeWarning,
                stacklevel=2,
            )

    def _matrices(self, weights: Sequence[torch.Tensor]) -> list[Float64Array]:
        shapes = list(pairwise(self._sizes))
        if len(weights) != len(shapes):
            raise InputError(f"{len(weights)} weight matrices for {len(shapes)} layers; give one per layer")
        matrices = []
        for k, (w, shape) in enumerate(zip(weights, shapes, strict=True), 1):
            _check_type(w, f"weights of layer {k}")
            if tuple(w.shape) != shape:
                raise InputError(f"weights of layer {k} have shape {tuple(w.shape)}, but must be {shape}, (pre, post)")
            matrix = _as_array(w)
            if not np.isfinite(matrix).all():
                raise InputError(
                    f"weights of layer {k} hold {matrix[~np.isfinite(matrix)][0]}, but must be finite; a smaller "
                    f"learning rate, or gradients that are clipped, may keep them so"
                )
            matrices.append(matrix)
        return matrices


class _EventProp(torch.autograd.Function):
    """The engine as a differentiable function of spike times and weights."""

    @staticmethod
    def forward(ctx: Any, engines: _Engines, times: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        with engines.holding(weights) as engine:
            result = engine.infer(latency_trains(_as_array(times), engines.end))
        engines.heard(result)
        said = result.said
        ctx.engines, ctx.silent = engines, np.isinf(said)
        ctx.save_for_backward(times, *weights)
        said[ctx.silent] = engines.silence
        return _like(said, times)

    @staticmethod
    def backward(ctx: Any, *by_said: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        # A function of its own, so that what it computes is known to depend on times and weights: torch would take it
        # for constant, and second derivatives for zero.
        by_inputs = _Derivatives.apply(ctx.engines, ctx.silent, by_said[0], *ctx.saved_tensors)  # type: ignore[no-untyped-call]
        return (None, *by_inputs)

    @staticmethod
    def jvp(*_: Any) -> NoReturn:
        raise DerivativeError(
            "EventPropLayer has no derivatives in forward mode; use backward(), or torch.autograd.grad"
        )


class _Derivatives(torch.autograd.Function):
    """Derivatives of a loss by spike times and weights, of those by what the layer said."""

    @staticmethod
    def forward(
        ctx: Any,
        engines: _Engines,
        silent: NDArray[np.bool_],
        by_said: torch.Tensor,
        times: torch.Tensor,
        *weights: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        try:
            given = _as_array(by_said)
        except RuntimeError:  # a stack of derivatives, which torch hands over as one
            raise DerivativeError(
                "EventPropLayer takes one derivative at a time; leave is_grads_batched and vectorize at False"
            ) from None
        # A silent output has no spike time that could move, whatever a loss makes of its inf.
        given = np.where(silent & ~np.isfinite(given), 0.0, given)
        if not np.isfinite(given).all():
            raise InputError(
                f"a derivative by what EventPropLayer said is {given[~np.isfinite(given)][0]}, though what it said is "
                f"finite; look at the loss, and at what follows the layer"
            )
        trains = latency_trains(_as_array(times), engines.end)
        # The samples run once more: cheaper than to keep every spike of them.
        with engines.holding(weights) as engine:
            _, by_weights, by_spikes = engine.backpropagate(trains, given)
        by_times = np.zeros(tuple(times.shape))
        by_times[np.repeat(np.arange(len(trains)), np.diff(trains.offsets)), trains.sources] = by_spikes
        return tuple(_like(g, like) for g, like in zip((by_times, *by_weights), (times, *weights), strict=True))

    @staticmethod
    def backward(*_: Any) -> NoReturn:
        raise DerivativeError(
            "EventPropLayer is differentiable once: it has no second derivatives; leave create_graph at False, or keep "
            "its gradients out of the loss"
        )


def _several(values: Any, what: str) -> list[Any]:
    try:
        return list(values)
    except TypeError:
        raise InputError(f"{what} are {shown(values)}, but must be a sequence of numbers") from None


def _check_silence(silence: Any, end: float, output: str) -> float:
    if output != "first_spikes":
        raise InputError(
            f"silence is {shown(silence)}, but only first_spikes may be silent, not {output}; leave it out"
        )
    return check_real(silence, end, math.inf, "silence (ms)", "give the end of the trial or a later time, or inf")


def _check_type(tensor: torch.Tensor, what: str) -> None:
    if tensor.dtype not in _TYPES:
        raise InputError(f"{what} are {tensor.dtype}, but must be float64 or float32; see Tensor.double, Module.double")
    if tensor.layout != torch.strided or tensor.is_meta:
        kind = "a tensor without data" if tensor.is_meta else f"a tensor of layout {tensor.layout}"
        raise InputError(
            f"{what} are {kind}, but must be a dense tensor with data; see Tensor.to_dense, Module.to_empty"
        )


def _as_array(tensor: torch.Tensor) -> Float64Array:
    return np.asarray(tensor.detach().cpu().numpy(), dtype=np.float64)


def _like(array: Float64Array, tensor: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(array).to(dtype=tensor.dtype, device=tensor.device)
