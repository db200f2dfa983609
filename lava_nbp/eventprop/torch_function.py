"""The EventProp engine as a differentiable function of PyTorch, of input spikes and of all that a network learns."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray

from lava_nbp.errors import DerivativeError, InputError
from lava_nbp.eventprop.continuous.engine import EventPropEngine
from lava_nbp.eventprop.continuous.parameters import called
from lava_nbp.eventprop.equations import Float64Array
from lava_nbp.eventprop.result import Result
from lava_nbp.eventprop.trains import SpikeTrains, latency_trains

#: Types in which spike times keep their precision.
_TYPES = (torch.float32, torch.float64)


class Engines:
    """The engines of one layer: one for everybody who runs it at this moment, since an engine holds its sample's state.

    Copies and pickles have none; they make their own.

    Parameters
    ----------
    make : callable
        Makes one of the weights of its layers.
    first : EventPropEngine
        One of them.
    silence : float
        Time that is said where there is no spike, ms.
    """

    def __init__(self, make: Callable[..., EventPropEngine], first: EventPropEngine, silence: float) -> None:
        self.end, self.silence, self.policy = first.end, silence, first.silent
        self._make, self._sizes, self._forward = make, first.sizes, [w.shape for w in first.weights]
        self._names = first.names
        self._shapes = [m.shape for m in first.matrices]
        self._free = [first]
        self._deepest, self._told = len(first.sizes), False
        self._heard: list[NDArray[np.bool_]] = []
        self._awake: list[NDArray[np.bool_]] = []

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_free": []}

    @contextmanager
    def holding(self, tensors: Sequence[torch.Tensor]) -> Iterator[EventPropEngine]:
        """An engine with these weights, of the right shapes; two threads never get the same.

        What they hold it checks itself whenever it runs.
        """
        matrices = self._matrices(tensors)
        try:
            engine = self._free.pop()  # to look whether there is one would be a step of its own: another may take it
        except IndexError:
            engine = self._make([np.zeros(shape) for shape in self._forward])
        for held, matrix in zip(engine.matrices, matrices, strict=True):
            held[...] = matrix
        try:
            yield engine
        finally:
            self._free.append(engine)

    def heard(self, result: Result, counts: Sequence[NDArray[np.int64]]) -> None:
        """What the layer has just said: how deep its spikes reached, and which neurons spiked."""
        spiking = len(self._sizes) - (2 if result.voltages else 1)
        self._deepest = result.deepest_layer if result.deepest_layer < spiking else len(self._sizes)
        self._heard = [count > 0 for count in counts[:spiking]]

    def silent_since(self) -> list[NDArray[np.bool_]]:
        """Neurons of every spiking layer that have been silent since the last time somebody asked."""
        silent, self._awake = [~awake for awake in self._awake], []
        return silent

    def mind_pass(self, n_samples: int) -> None:
        """Remember which neurons have spiked in the training pass that was just run.

        Warn, once, of layers that did not at all: no gradient reaches them.
        """
        if self.policy.name == "bump":
            before = self._awake or [np.zeros_like(awake) for awake in self._heard]
            self._awake = [a | b for a, b in zip(self._heard, before, strict=True)]
        if n_samples > 1 and self._deepest < len(self._sizes) and not self._told:
            self._told = True
            warnings.warn(
                f"EventPropLayer: layer {self._deepest + 1} of {len(self._sizes) - 1} did not spike once in a batch of "
                f"{n_samples} samples, and what does not spike has no gradient; start from larger means, or use the "
                f"silent policy 'bump'",
                RuntimeWarning,
                stacklevel=2,
            )

    def _matrices(self, tensors: Sequence[torch.Tensor]) -> list[Float64Array]:
        if len(tensors) != len(self._shapes):
            raise InputError(
                f"{len(tensors)} parameters, but the layer has {len(self._shapes)}: {', '.join(self._names)}; leave "
                f"its lists of parameters as they are"
            )
        matrices = []
        for name, w, shape in zip(self._names, tensors, self._shapes, strict=True):
            what = called(name)
            check_type(w, what)
            if tuple(w.shape) != shape:
                raise InputError(f"{what} have shape {tuple(w.shape)}, but must be {shape}, (pre, post)")
            matrices.append(_as_array(w))
        return matrices


class EventProp(torch.autograd.Function):
    """The engine as a differentiable function of spike times and weights."""

    @staticmethod
    def forward(ctx: Any, engines: Engines, times: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        """What the network says, (batch, said)."""
        with engines.holding(weights) as engine:
            result, counts = engine.infer_counted(_trains(times, engines.end))
        engines.heard(result, counts)
        said = result.said
        ctx.engines, ctx.silent = engines, np.isinf(said)
        ctx.save_for_backward(times, *weights)
        said[ctx.silent] = engines.silence
        return _like(said, times)

    @staticmethod
    def backward(ctx: Any, *by_said: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Derivatives by times and weights."""
        # A function of its own, so that what it computes is known to depend on times and weights: torch would take it
        # for constant, and second derivatives for zero.
        by_inputs = _Derivatives.apply(ctx.engines, ctx.silent, by_said[0], *ctx.saved_tensors)  # type: ignore[no-untyped-call]
        return (None, *by_inputs)

    @staticmethod
    def jvp(*_: Any) -> NoReturn:
        """There are none in this mode."""
        raise DerivativeError(
            "EventPropLayer has no derivatives in forward mode; use backward(), or torch.autograd.grad"
        )


class _Derivatives(torch.autograd.Function):
    """Derivatives of a loss by spike times and weights, of those by what the layer said."""

    @staticmethod
    def forward(
        ctx: Any,
        engines: Engines,
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
        trains = _trains(times, engines.end)
        # The samples run once more: cheaper than to keep every spike of them.
        with engines.holding(weights) as engine:
            engine.pull_counts(trains)
            _, by_weights, by_spikes = engine.backpropagate(trains, given)
        # Where each spike came from, in the order of the engine.
        rows = _rows(times)
        by_times = np.zeros_like(rows)
        order = np.argsort(rows, axis=1, kind="stable")
        there = np.isfinite(np.take_along_axis(rows, order, axis=1))
        by_times[np.nonzero(there)[0], order[there]] = by_spikes
        by_times = by_times.reshape(tuple(times.shape))
        return tuple(_like(g, like) for g, like in zip((by_times, *by_weights), (times, *weights), strict=True))

    @staticmethod
    def backward(*_: Any) -> NoReturn:
        raise DerivativeError(
            "EventPropLayer is differentiable once: it has no second derivatives; leave create_graph at False, or keep "
            "its gradients out of the loss"
        )


def _trains(times: torch.Tensor, end: float) -> SpikeTrains:
    """Spike trains of times (batch, n_in) or (batch, n_in, k)."""
    trains = latency_trains(_rows(times), end)
    if times.ndim == 2:
        return trains
    return SpikeTrains(trains.times, trains.sources // times.shape[2], trains.offsets)


def _rows(times: torch.Tensor) -> Float64Array:
    """All spikes of a sample in a row, those of an input one after the other."""
    return _as_array(times).reshape(len(times), math.prod(times.shape[1:]))


def check_type(tensor: torch.Tensor, what: str) -> None:
    """Raise InputError unless a tensor is dense, has data, and is of a type in which times keep their precision."""
    if tensor.dtype not in _TYPES:
        raise InputError(f"{what} are {tensor.dtype}, but must be float64 or float32; see Tensor.double, Module.double")
    check_dense(tensor, what)


def check_dense(tensor: torch.Tensor, what: str) -> None:
    """Raise InputError unless a tensor is dense and has data."""
    if tensor.layout != torch.strided or tensor.is_meta:
        kind = "a tensor without data" if tensor.is_meta else f"a tensor of layout {tensor.layout}"
        raise InputError(
            f"{what} are {kind}, but must be a dense tensor with data; see Tensor.to_dense, Module.to_empty"
        )


def _as_array(tensor: torch.Tensor) -> Float64Array:
    return np.asarray(tensor.detach().cpu().numpy(), dtype=np.float64)


def _like(array: Float64Array, tensor: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(array).to(dtype=tensor.dtype, device=tensor.device)
