"""What a circuit's readout makes of the sums of its last layer: for samples at once, by the per-sample form."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.targets import spike_by_spike
from lava_nbp.errors import CircuitError
from lava_nbp.nbp.form import Above, AnyOf, Logic, SampleForm, Signal


class Readout:
    """The answer of a circuit as a function of its last layer's sums.

    Parameters
    ----------
    form : SampleForm
        Of the circuit that answers.

    Raises
    ------
    CircuitError
        If the answer depends on more than these sums.
    """

    def __init__(self, form: SampleForm) -> None:
        self._form = form
        last = form.above(form.layers[-1])
        self._terms = () if last is None else last.terms
        self._known: list[int] = []
        for k, signal in enumerate(form.signals):
            if self._follows(signal):
                self._known.append(k)
        if form.answer not in self._known:
            raise CircuitError(
                f"circuit {form.circuit.name!r}: its readout {form.circuit.answers!r} depends on more than the sums of "
                f"{form.circuit.output!r}; run it spike by spike ({spike_by_spike('nbp')}), or per sample in NumPy"
            )

    def _follows(self, signal: Signal) -> bool:
        if isinstance(signal, Above):
            known = all(s in self._known for s, _ in signal.spikes)
            return bool(self._terms) and signal.terms == self._terms and known and signal.noise is None
        if isinstance(signal, Logic):
            return all(s in self._known for s in signal.signals)
        return isinstance(signal, AnyOf) and signal.signal in self._known

    def answers(self, membrane: NDArray[np.int32]) -> NDArray[np.uint8]:
        """Spikes (n, n_out) of the readout for sums (n, n_out)."""
        found: dict[int, NDArray[np.bool_]] = {}
        for k in self._known:
            found[k] = self._value(self._form.signals[k], membrane, found)
        answer = np.broadcast_to(found[self._form.answer], membrane.shape)
        return answer.astype(np.uint8)

    @staticmethod
    def _value(signal: Signal, membrane: NDArray[np.int32], found: dict[int, NDArray[np.bool_]]) -> Any:
        if isinstance(signal, Above):
            total: Any = membrane
            for s, weight in signal.spikes:
                total = total + weight * found[s]
            return total > signal.above
        if isinstance(signal, AnyOf):
            return found[signal.signal].any(axis=1, keepdims=True)
        assert isinstance(signal, Logic)
        entry: Any = sum(found[s].astype(np.int64) << k for k, s in enumerate(signal.signals))
        return np.array(signal.table)[entry] if signal.signals else np.full((len(membrane), 1), signal.table[0])
