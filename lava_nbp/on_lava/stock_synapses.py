"""Sums of Lava's Dense and DelayDense over the neurons that have spiked: the same bits in less time.

Uses internals of lava-nc 0.10.0, which is archived and pinned.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_INT64 = np.dtype(np.int64)


class WeightedSums:
    """Dense and LearningDense: no column is summed up if nobody has spiked.

    The first step, which scales the weights, and messages of several bits are left to Lava.

    Parameters
    ----------
    model : PyDenseModelBitAcc or PyLearningDenseModelBitApproximate
        The model.
    receive : callable, optional
        Takes the spikes, and what else the synapses learn from.
    """

    def __init__(self, model: Any, receive: Callable[[NDArray[Any]], None] | None = None) -> None:
        self._model, self._first, self._receive = model, model.run_spk, receive

    def run_spk(self) -> None:
        """`run_spk`, of messages of one bit."""
        model = self._model
        if not model.weights_set or model.num_message_bits.item() > 0:
            self._first()
            return
        sums = model.a_buff
        model.a_out.send(sums)
        s_in = model.s_in.recv().astype(bool)
        n = np.count_nonzero(s_in)
        if n:
            weights: NDArray[Any] = model.weights
            # Mostly one: a gating neuron. A column by its number costs a fifth of one by a mask.
            one = n == 1 and weights.dtype.kind == "i"
            sums = weights[:, s_in.argmax()].astype(np.int64) if one else weights[:, s_in].sum(axis=1)
            model.a_buff = _shifted(sums, model.weight_exp)
        elif sums.dtype is not _INT64 or np.count_nonzero(sums):
            model.a_buff = np.zeros(len(model.weights), np.int64)
        if self._receive is not None:
            self._receive(s_in)


class DelayedSums:
    """DelayDense: nothing moves on where nothing is under way.

    The first step, which scales the weights, and messages of several bits are left to Lava.
    """

    def __init__(self, model: Any) -> None:
        self._model, self._first = model, model.run_spk

    def run_spk(self) -> None:
        """`run_spk`, of messages of one bit."""
        model = self._model
        if not model.weights_set or model.num_message_bits.item() > 0:
            self._first()
            return
        under_way = model.a_buff
        model.a_out.send(under_way[:, 0])
        s_in = model.s_in.recv().astype(bool)
        arrived = np.count_nonzero(s_in)
        if arrived or np.count_nonzero(under_way):
            moved = np.zeros_like(under_way)
            moved[:, :-1] = under_way[:, 1:]
            if arrived:
                moved += _shifted(self.by_delay(s_in), model.weight_exp)
            model.a_buff = moved

    def by_delay(self, s_in: NDArray[Any]) -> NDArray[Any]:
        """`calc_act`: what spikes bring, by delay, over the columns of those who spiked."""
        model, active = self._model, np.flatnonzero(s_in)
        n, slots = len(model.weights), model.a_buff.shape[-1]
        weights, delays = model.weights[:, active] * s_in[active], model.delays[:, active]
        small = all(array.dtype.kind == "i" and array.dtype.itemsize <= 4 for array in (weights, delays))
        if small and delays.min(initial=0) >= 0 and delays.max(initial=0) < slots:
            # Sums of so many integers of 32 bits are exact in the floating point that this is done in.
            sums = np.bincount((delays * n + np.arange(n)[:, None]).ravel(), weights.ravel(), n * slots)
            return sums.astype(np.int64).reshape(slots, n).T
        brought = np.zeros((slots, n), np.int64)  # somebody has set the Vars to what no constructor takes
        for k, sums in enumerate(brought):
            np.sum(np.where(delays == k, weights, 0), axis=1, out=sums)
        return brought.T


def _shifted(sums: NDArray[Any], exponent: int) -> Any:
    return sums << exponent if exponent > 0 else sums >> -exponent
