"""All that defines a clocked network but its weights, and what its parts share while it learns."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from lava_nbp.base.arrays import Allocate
from lava_nbp.base.checks import check_integer, check_name, check_positive, check_real
from lava_nbp.base.fields import settle
from lava_nbp.errors import InputError
from lava_nbp.eventprop.clocked.arithmetic import REGISTER_MAX, FixedPoint, Int64Array
from lava_nbp.eventprop.clocked.ladder import Ladder, Rungs
from lava_nbp.eventprop.clocked.losses import LARGEST_GAIN
from lava_nbp.eventprop.losses import LabelLoss, MaxVoltageLoss, MeanVoltageLoss, TTFSLoss
from lava_nbp.eventprop.policies import OPTIMIZERS, OptimizerName, SilentPolicy


@dataclass(frozen=True)
class Setup:
    """All that defines a clocked network but its weights: arithmetic, loss, learning.

    Parameters
    ----------
    c : FixedPoint
        Arithmetic of all layers.
    loss : TTFSLoss, MaxVoltageLoss or MeanVoltageLoss
        With the latter two the output layer only integrates.
    silent : SilentPolicy
        "none" or "phantom"; the others need what no synapse and no neuron knows by itself.
    optimizer : {"adam", "sgd"}
        What is done with a gradient.
    layers : tuple of FixedPoint, optional
        Arithmetic of every layer, instead of `c`, with which they share step, window and `adjoint_bits`: time constants
        and widths differ from layer to layer then. Thresholds are 2**theta_bits, whatever the real ones, of which only
        that of the output layer matters, for losses of voltages.
    ladder : Ladder, optional
        With MaxVoltageLoss and the chip's neurons: outputs answer by levels, which spikes tell, instead of by their
        largest voltages; what is learned still follows from these.

    Raises
    ------
    InputError
        For a policy that a clocked network or its output layer does not have, an optimizer that there is not, what is
        of another class, a loss or strength whose integers would overflow, layers whose step, window or adjoint bits
        are not those of `c`, or a ladder where there can be none.
    """

    c: FixedPoint
    loss: LabelLoss
    silent: SilentPolicy = field(default_factory=SilentPolicy)
    optimizer: OptimizerName = "adam"
    layers: tuple[FixedPoint, ...] | None = None
    ladder: Ladder | None = None

    def __post_init__(self) -> None:
        settle(self, "setup", InputError, ("c", "loss", "silent", "layers", "ladder"))
        self._check_layers()
        self._check_ladder()
        if self.silent.name not in ("none", "phantom"):
            raise InputError(
                f"silent policy is {self.silent.name!r}, but a clocked network has only none and phantom; "
                f"the others need target continuous"
            )
        self.silent.check_output(isinstance(self.loss, TTFSLoss), recurrent=False)
        check_name(self.optimizer, "optimizer", OPTIMIZERS)
        one, bits = (
            1 << self.c.adjoint_bits,
            f"an adjoint variable has 24 bits, {self.c.adjoint_bits} of them fractional",
        )
        if isinstance(self.loss, TTFSLoss):
            check_real(self.loss.tau0, one / REGISTER_MAX, math.inf, "tau0 of a clocked network's loss", bits)
        p = (self.layers or (self.c,))[-1].p  # of the output layer
        if isinstance(self.loss, MeanVoltageLoss):
            most = min(LARGEST_GAIN, REGISTER_MAX * p.tau_m / one) / p.theta
            check_real(self.loss.gain, 0.0, most, "gain of a clocked network's loss", bits, above=True)
        most = REGISTER_MAX * p.tau_m / (one * p.theta)
        check_real(self.silent.strength_of("phantom"), 0.0, most, "strength of the silent policy", bits)

    def _check_layers(self) -> None:
        if self.layers == ():
            raise InputError("setup: layers is empty; give the arithmetic of every layer, or None")
        for k, layer in enumerate(self.layers or ()):
            for name in ("dt", "end", "adjoint_bits"):
                own, common = getattr(layer, name), getattr(self.c, name)
                if own != common:
                    raise InputError(
                        f"setup: {name} of layers[{k}] is {own}, but that of c is {common}, and all layers share it; "
                        f"give it the same"
                    )

    def _check_ladder(self) -> None:
        if self.ladder is not None and not isinstance(self.loss, MaxVoltageLoss):
            cure = "" if isinstance(self.loss, TTFSLoss) else ": rungs tell no means"
            raise InputError(
                f"setup: a ladder reads largest voltages, but the loss is {type(self.loss).__name__}{cure}; leave it "
                f"out (clocked.rungs), or use the loss max_voltage"
            )
        _ = self.rungs

    @property
    def rungs(self) -> Rungs | None:
        """The ladder in registers, if there is one."""
        return None if self.ladder is None else self.ladder.of((self.layers or (self.c,))[-1])

    def arithmetic(self, n_layers: int) -> list[FixedPoint]:
        """Of every layer behind the input.

        Raises
        ------
        InputError
            If `layers` are another number.
        """
        if self.layers is None:
            return [self.c] * n_layers
        if len(self.layers) != n_layers:
            raise InputError(
                f"setup: layers has {len(self.layers)} entries, but there are {n_layers} layers; give one for each"
            )
        return list(self.layers)


class Control:
    """Samples per update and rate, in memory that may be shared.

    Without learning (0 samples) a gradient is that of one sample, and an unfinished batch is forgotten.

    Raises
    ------
    InputError
        From `set`, for a batch that is not an integer of 0 or more, or a rate that is not positive and finite.
    """

    def __init__(self, batch: int = 1, rate: float = 5e-3, allocate: Allocate = np.zeros) -> None:
        self.batch, self.rate = allocate(1, np.int64), allocate(1, np.float64)
        self.set(batch, rate)

    def set(self, batch: int, rate: float) -> None:
        """Change both."""
        check_integer(batch, 0, 2**31 - 1, "samples per update", "0 switches learning off")
        self.batch[0], self.rate[0] = batch, check_positive(rate, "rate")


class AnswerLog:
    """The last answers of a network, a row per sample, in memory that may be shared."""

    def __init__(self, n: int, capacity: int, allocate: Allocate = np.zeros) -> None:
        self.rows = allocate((check_integer(capacity, 0, None, "capacity"), n), np.int64)
        self._count = allocate(1, np.int64)

    def __len__(self) -> int:
        return int(self._count[0])

    def keep(self, answer: Int64Array) -> None:
        """Append an answer if there is room."""
        if len(self) < len(self.rows):
            self.rows[len(self)] = answer
            self._count[0] += 1

    def rewind(self) -> None:
        """Forget all answers."""
        self._count[0] = 0
