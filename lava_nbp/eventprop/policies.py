"""What is chosen by name: the optimizer, and what is done about silent neurons.

A silent neuron has no spike whose time could be moved, hence no gradient.

Source of the policies: Wunderlich & Pehle 2021, Discussion; the spike-count term follows the regularisation
of Nowotny, Turner & Knight, "Loss shaping enhances exact gradient learning with Eventprop" (2025).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from lava_nbp.base.checks import check_name, check_real
from lava_nbp.base.fields import settle
from lava_nbp.errors import InputError

OptimizerName = Literal["adam", "sgd"]
OPTIMIZERS: tuple[str, ...] = get_args(OptimizerName)
#: Updates that an optimizer may have made: more do not come about, and would not be counted any more.
MOST_STEPS = 1 << 60
SilentName = Literal["none", "phantom", "bump", "spike_count"]
SILENT_POLICIES: tuple[str, ...] = get_args(SilentName)


#: Of strength and target.
_LARGEST = 1e9


@dataclass(frozen=True)
class SilentPolicy:
    """A policy by name, and how strong it is.

    Only "bump" wakes a layer that is silent altogether: "phantom" reaches a silent output if the layer in front of it
    spikes, and "spike_count" moves spikes that are there.

    - ``"none"``: the paper's; silence teaches nothing.
    - ``"phantom"``: a sample whose label's output is silent teaches that output as if it had spiked where its
      voltage came closest to the threshold: its loss is -strength * max_t V of that output. With a `TTFSLoss`, and an
      output layer without recurrent weights.
    - ``"bump"``: after every batch, all weights into a neuron that was silent in the whole batch grow by
      `strength` (units of the threshold).
    - ``"spike_count"``: keeps spike counts of hidden neurons between two bounds. With c, the neuron's mean number of
      spikes per sample in the batch before, every spike of it gets dl/dt = strength * (lower - c) in 1/ms if c is below
      `lower`, strength * (upper - c) if it is above `upper`, and nothing in between: too few spikes are pulled ahead,
      too many pushed back. It moves spikes that are there; a neuron without any is left alone.

    Parameters
    ----------
    name : {"none", "phantom", "bump", "spike_count"}
    strength : float
        0 .. 1e9.
    lower, upper : float, or tuple of float
        Of "spike_count": spikes per sample and neuron, of all hidden layers, or of each; 0 .. 1e9, `upper` no less than
        `lower`.

    Raises
    ------
    InputError
        For an unknown name, or numbers outside these limits.
    """

    name: SilentName = "none"
    strength: float = 1.0
    lower: float | tuple[float, ...] = 1.0
    upper: float | tuple[float, ...] = 1.0

    def __post_init__(self) -> None:
        check_name(self.name, "silent policy", SILENT_POLICIES)
        settle(self, "silent policy", InputError)
        for what in ("strength", "lower", "upper"):
            value = getattr(self, what)
            for number in value if isinstance(value, tuple) else (value,):
                check_real(number, 0.0, _LARGEST, f"{what} of the silent policy")
        n = max([len(bound) for bound in (self.lower, self.upper) if isinstance(bound, tuple)], default=1)
        for lower, upper in self.bounds(n):
            if lower > upper:
                raise InputError(f"upper of the silent policy is {upper:g}, below its lower, {lower:g}; raise it")

    def bounds(self, n_layers: int) -> list[tuple[float, float]]:
        """Lower and upper of each of so many hidden layers.

        Raises
        ------
        InputError
            If they were given for another number of layers.
        """
        columns = []
        for what in ("lower", "upper"):
            value = getattr(self, what)
            if isinstance(value, tuple) and len(value) != n_layers:
                raise InputError(
                    f"{what} of the silent policy has {len(value)} entries, but there are {n_layers} hidden layers; "
                    f"give one for each, or one number for all"
                )
            columns.append(value if isinstance(value, tuple) else (value,) * n_layers)
        return list(zip(*columns, strict=True))

    def check_output(self, spiking: bool, recurrent: bool) -> None:
        """Refuse a policy that means nothing for an output layer with or without spikes and recurrent weights.

        Raises
        ------
        InputError
            For "phantom" of a layer that has no spikes, or in which a spike that is not there would change those of
            others.
        """
        if self.name == "phantom" and not spiking:
            raise InputError(
                "silent policy 'phantom' teaches outputs that do not spike, but with a loss of voltages the output "
                "layer only integrates; leave it out, or use a TTFSLoss"
            )
        if self.name == "phantom" and recurrent:
            raise InputError("silent policy 'phantom' needs an output layer without recurrent weights; use another")

    def strength_of(self, name: SilentName) -> float:
        """The strength if this is the policy, else 0."""
        return self.strength if self.name == name else 0.0

    def waking(self, output: bool) -> str:
        """What to do about a layer that is silent altogether, the output or another, as far as this policy does not."""
        if self.strength > 0 and (self.name == "bump" or (self.name == "phantom" and output)):
            return f"the silent policy {self.name!r} is waking it; if that takes long, raise its strength"
        cannot = {
            "phantom": "; 'phantom' teaches outputs only",
            "spike_count": "; 'spike_count' only moves spikes that are there",
        }
        return (
            f"the silent policy 'bump' wakes it (target continuous), or start from larger weights"
            f"{cannot.get(self.name, '')}"
        )
