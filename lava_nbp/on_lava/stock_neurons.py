"""Lava's LIF, which computes nothing for neurons at rest: the same bits in less time.

Uses internals of lava-nc 0.10.0, which is archived and pinned.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class RestingNeurons:
    """`run_spk` of LIF: neurons that a step without input has left as they were stay so while nothing arrives."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._resting: Any = None

    def __call__(self) -> None:
        model = self._model
        arrived, before = model.a_in.recv(), None
        if not np.count_nonzero(arrived):
            before = self._state()
            if before == self._resting:
                model.s_out_buff = np.zeros(model.v.shape, bool)
                model.s_out.send(model.s_out_buff)
                return
        model.scale_bias()
        if not model.isthrscaled:
            model.scale_threshold()
        model.subthr_dynamics(activation_in=arrived)
        model.s_out_buff = spikes = model.spiking_activation()
        model.reset_voltage(spike_vector=spikes)
        model.s_out.send(spikes)
        if before is not None and not np.count_nonzero(spikes) and before == self._state():
            self._resting = before

    def _state(self) -> Any:
        """All that the next step depends on, but for its input: whoever has set a Var meanwhile is seen in it."""
        model = self._model
        arrays = (model.u, model.v, model.bias_mant, model.bias_exp)
        return [array.tobytes() for array in arrays], float(model.du), float(model.dv)
