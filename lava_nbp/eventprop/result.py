"""What a network said to samples, and what was counted meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_labels
from lava_nbp.eventprop.equations import Float64Array


class LayerSpikes(NamedTuple):
    """Spikes of a layer in a sample, in the order of time."""

    times: Float64Array  #: (spikes,) ms
    neurons: NDArray[np.int64]  #: (spikes,)
    errors: Float64Array  #: (spikes,) the error sent back to each, dL/dt in 1/ms; (0,) if there was none to carry back


@dataclass(frozen=True)
class Result:
    """What a batch did.

    Attributes
    ----------
    said : (samples, classes)
        First spike times in ms (inf: silent), or largest or mean voltages.
    hidden_spikes, silent_neurons, silent_labels, clipped : int
        Spikes of the hidden layers; (sample, hidden neuron) pairs without any; samples whose label's output was
        silent (what they teach is a policy, see `SilentPolicy`); spikes at which I - theta was below the floor.
    voltages : bool
        `said` holds voltages: more is better.
    saturated : int
        Adjoint variables that met the end of their register; the continuous engine has none.
    most_spikes : int
        Largest number of spikes of a layer in a sample: how much of a buffer was used.
    bounded : int
        Learned delays and time constants that a step would have carried beyond their limits.
    overflowed : int
        Steps of a chip's neurons in which a current wrapped round, or a voltage met the end of its register: forward
        that is what a chip does, backward it is as if it had not been. Other neurons have none.
    per_output : int
        `said` holds so many spikes of every output, one output after the other, of which the first ones answer.
    deepest_layer : int
        The last layer, counted from 1, in which any neuron spiked in any sample; 0: none did.
    """

    said: Float64Array
    hidden_spikes: int = 0
    silent_neurons: int = 0
    silent_labels: int = 0
    clipped: int = 0
    voltages: bool = False
    saturated: int = 0
    most_spikes: int = 0
    deepest_layer: int = 0
    bounded: int = 0
    overflowed: int = 0
    per_output: int = 1

    def ties(self) -> NDArray[np.bool_]:
        """Samples in which several outputs are first, or all are silent."""
        return np.asarray((self._answering == self._best()[:, None]).sum(axis=1) > 1)

    def answers(self) -> NDArray[np.int64]:
        """Class of the first spike, or of the largest of the voltages; of a tie the lowest."""
        best: NDArray[np.int64] = (self._answering.argmax if self.voltages else self._answering.argmin)(axis=1)
        return best

    def right(self, labels: NDArray[np.integer[Any]], ties_right: bool = False) -> NDArray[np.bool_]:
        """Samples that are answered right; a tie is wrong unless `ties_right`, then one with the label is right.

        Silence is never right: no output has a spike, or a voltage that was ever above rest, or another mean than 0.

        Raises
        ------
        InputError
            For labels outside the classes, or of another number than samples.
        """
        labels = check_labels(labels, *self._answering.shape)
        best = (self._answering[np.arange(len(labels)), labels] == self._best()) & ~self.silent()
        return np.asarray(best if ties_right else best & ~self.ties())

    def silent(self) -> NDArray[np.bool_]:
        """Samples to which no output responds: none spikes, no voltage rises above rest, or all means are 0."""
        return np.asarray((self._answering == 0).all(axis=1) if self.voltages else np.isinf(self._best()))

    @property
    def _answering(self) -> Float64Array:
        """What answers: the first that each output says."""
        return self.said[:, :: self.per_output]

    def _best(self) -> Float64Array:
        return np.asarray(self._answering.max(axis=1) if self.voltages else self._answering.min(axis=1))
