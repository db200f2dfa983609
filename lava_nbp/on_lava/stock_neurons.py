"""Lava's LIF: nothing is computed for neurons at rest, and little where a current is not kept. The same bits.

Uses internals of lava-nc 0.10.0, which is archived and pinned.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_INT32 = np.dtype(np.int32)


class RestingNeurons:
    """Neurons that a step without input has left as they were stay so while nothing arrives."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._resting: Any = None
        self._biased: Any = None

    def run_spk(self) -> None:
        """`run_spk` of LIF."""
        model = self._model
        arrived, before = model.a_in.recv(), self._state()
        something = np.count_nonzero(arrived)
        if not something and before == self._resting:
            model.s_out_buff = np.zeros(model.v.shape, bool)
            model.s_out.send(model.s_out_buff)
            return
        bias = before[2:4]
        if bias != self._biased:
            model.scale_bias()
            self._biased = bias
        if not model.isthrscaled:
            model.scale_threshold()
        if not self._without_current(arrived):
            model.subthr_dynamics(activation_in=arrived)
        model.s_out_buff = spikes = model.spiking_activation()
        model.reset_voltage(spike_vector=spikes)
        model.s_out.send(spikes)
        if not something and not np.count_nonzero(spikes) and before == self._state():
            self._resting = before

    def _without_current(self, arrived: NDArray[Any]) -> bool:
        """`subthr_dynamics` of neurons that keep nothing of their current, the input being all of it.

        False, and nothing is done, if they do, or the current would wrap.
        """
        model = self._model
        if not (_is_whole(model.du) and _is_whole(model.dv)) or model.du + model.ds_offset != model.decay_unity:
            return False
        if arrived.dtype is not _INT32:
            return False
        current, limit = arrived << model.act_shift, model.max_uv_val
        if current.max() > limit or current.min() <= -limit:
            return False
        model.u[:] = current
        kept = model.v.astype(np.int64) * (model.decay_unity - (model.dv + model.dm_offset))
        kept = np.sign(kept) * (np.abs(kept) >> model.decay_shift)
        voltage = kept.astype(np.int32) + model.u + model.effective_bias
        model.v[:] = np.maximum(np.minimum(voltage, limit - 1), 1 - limit)
        return True

    def _state(self) -> tuple[Any, ...]:
        """All that the next step depends on, but for its input: whoever has set a Var meanwhile is seen in it."""
        model = self._model
        arrays = (model.u, model.v, model.bias_mant, model.bias_exp)
        return (*[array.tobytes() for array in arrays], _seen(model.du), _seen(model.dv))


def _is_whole(value: Any) -> bool:
    """Whether a decay is one integer for all neurons: Lava takes one for each, too, and refuses others in its way."""
    return isinstance(value, (int, np.integer))


def _seen(value: Any) -> Any:
    """A decay, to be compared."""
    return value if _is_whole(value) else np.asarray(value).tobytes()
