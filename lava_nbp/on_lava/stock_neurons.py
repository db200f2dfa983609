"""Lava's LIF: nothing is computed for neurons at rest, and the rest in few calls. The same bits.

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
        if not self._in_integers(arrived):
            model.subthr_dynamics(activation_in=arrived)
        model.s_out_buff = spikes = model.spiking_activation()
        model.reset_voltage(spike_vector=spikes)
        model.s_out.send(spikes)
        if not something and not np.count_nonzero(spikes) and before == self._state():
            self._resting = before

    def _in_integers(self, arrived: NDArray[Any]) -> bool:
        """`subthr_dynamics` of neurons with decays in common, while no current wraps.

        False, and nothing is done, if they have others, or the current would wrap.
        """
        model = self._model
        if not (_is_whole(model.du) and _is_whole(model.dv)) or arrived.dtype is not _INT32:
            return False
        current, limit = arrived << model.act_shift, model.max_uv_val
        left = model.decay_unity - (model.du + model.ds_offset)
        if left:
            current += self._decayed(model.u, left)
        if current.max() > limit or current.min() <= -limit:
            return False
        model.u[:] = current
        voltage = self._decayed(model.v, model.decay_unity - (model.dv + model.dm_offset)) + model.u
        voltage = voltage + model.effective_bias
        model.v[:] = np.maximum(np.minimum(voltage, limit - 1), 1 - limit)
        return True

    def _decayed(self, state: NDArray[Any], left: int) -> NDArray[np.int32]:
        """What is left after a step, cut towards 0: a shift rounds down, so negative numbers get a bit less than 1."""
        product = state.astype(np.int64) * left
        product += (product >> 63) & (self._model.decay_unity - 1)
        product >>= self._model.decay_shift
        return product.astype(np.int32)

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
