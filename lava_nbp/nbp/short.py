"""The circuit of one hidden layer in the fewest phases: nine for a training sample, where the paper's has twelve.

It learns by a margin, as `lava_nbp.nbp.deep` with the same options does, weight for weight. What it saves:

- the output's error needs no phase of its own. With a margin it is ``t and not o_hi``, and ``o_lo and not t``, which
  the output layer itself can fire as soon as it hears of them;
- the error comes back to the hidden layer itself and to its copies, opened by the box derivative: they learn in the
  phase in which it arrives. That takes nine copies of W2 instead of five, which is little where there are few outputs,
  and no h1_T, e_h1, d_pos, d_neg.

=====  ====================================================================================
phase  what happens
=====  ====================================================================================
2      x, the input
3      h1 and its copies: W1 x > 512, and the two edges of the box
4      o and its copies: W2 h1 > 512, > 1024 - M, > M; t; memories of h1 and of the box
5      W2 learns, r = 1: o fires e > 0, h1 what it has fired
6      W1 learns, r = 1: h1 fires W2^T e > 0, x what it has fired
7      nothing: what x has just fired arrives, and would be taken for the sample's
8      W2 learns, r = 0: o fires e < 0, h1 what it has fired
0      W1 learns, r = 0: h1 fires W2^T e < 0
=====  ====================================================================================

Each waits for the one before it, so that fewer would have samples overlap: the input of the next would have to come
before the weights of this one are known.

Neurons: 2 n_in, 5 n_hidden, 6 n_out, and 9. Dense synapses: 3 copies of W1, 9 of W2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lava_nbp.base.widths import PLASTIC_WEIGHT_MAX
from lava_nbp.errors import CircuitError
from lava_nbp.nbp.building import NEEDED, Builder
from lava_nbp.nbp.circuit import Circuit, DenseProjection
from lava_nbp.nbp.draws import Decay
from lava_nbp.nbp.levels import ANTI_RELAY, FIRE, FIRE_HIGH, FIRE_LOW
from lava_nbp.nbp.mask import Mask
from lava_nbp.nbp.ramp import Ramp
from lava_nbp.nbp.rules import (
    box_option,
    decay_option,
    layer_sizes,
    margin_option,
    mask_options,
    ramp_option,
)

#: An error of more outputs could overcome what closes a unit outside of its box.
OUTPUTS_MAX = NEEDED // PLASTIC_WEIGHT_MAX
#: Phases: of the layers for the sample, and in which W2 and W1 learn, with r = 1 and r = 0.
_X, _H, _O = 2, 3, 4
_W2, _W1 = (5, 8), (6, 9)
_PERIOD = 9


def short_circuit(
    n_in: int,
    n_hidden: int,
    n_out: int,
    *,
    margin: int = 2048,
    box: Sequence[int] = (FIRE_LOW, FIRE_HIGH),
    update_probability: Decay | Sequence[float] = (1.0, 1.0, 1),
    ramp: Ramp | Sequence[int] = (),
    patch: int = 0,
    image: Sequence[int] = (),
    per_class: int = 1,
) -> Circuit:
    """Build the circuit of nine phases; see the module.

    Parameters
    ----------
    n_in, n_hidden, n_out : int
        Neurons per layer; of the output, times per_class, `OUTPUTS_MAX` at most.
    margin : int
        As in `deep_circuit`, but 64 at least.
    box, update_probability, ramp, patch, image, per_class
        As in `deep_circuit`. It is in the chip's order always.

    Raises
    ------
    CircuitError
        For sizes or rules that are not as above.
    """
    sizes = layer_sizes((n_in, n_hidden, n_out), per_class)
    if sizes[-1] > OUTPUTS_MAX:
        raise CircuitError(
            f"layers {'-'.join(map(str, sizes))} have {sizes[-1]} outputs, but the limit is {OUTPUTS_MAX}: errors of "
            f"more could open units outside of their box; use circuit 'nbp-deep' (training_circuit(layers=...))"
        )
    built = _Short(sizes, margin_option(margin, 64), box_option(box), mask_options(patch, image, sizes)).circuit(
        update_probability=decay_option(update_probability),
        ramp=ramp_option(ramp),
    )
    return replace(built, per_class=int(per_class))


class _Short(Builder):
    def __init__(
        self, sizes: tuple[int, ...], margin: int, box: tuple[int, int], masks: tuple[Mask | None, ...]
    ) -> None:
        super().__init__(sizes, _PERIOD, masks)
        self.margin, self.box = margin, box

    def circuit(self, update_probability: Decay, ramp: Ramp | None) -> Circuit:
        self.input()
        self.hidden()
        self.output()
        self.dense()
        return self.finish(
            "nbp-short",
            output_phase=_O,
            reward_phases=frozenset((_W2[0], _W1[0])),
            chip_order=True,
            update_probability=update_probability,
            ramp=ramp,
        )

    def input(self) -> None:
        self.add("x", 0, (_X, *_W1))
        self.add("m_x", 0, (_X + 1,))
        self.gate("x", _X)
        self.gate("m_x", _X + 1)
        self.relay("x", _X, "m_x", _X + 1)
        for phase in _W1:
            self.gate("x", phase)
            self.relay("m_x", _X + 1, "x", phase)
        self.mean(_X, "input")

    def hidden(self) -> None:
        copies = "h1 h1_lo h1_hi"
        low, high = self.box
        for name, fire in (("h1", FIRE), ("h1_lo", low), ("h1_hi", high)):
            self.add(name, 1, (_H, *_W2, *_W1))
            self.gate(name, _H, fire)
        self.add("m_h1", 1, (_H + 1,))
        self.add("c_h1", 1, (_H + 1,))
        self.gate("m_h1 c_h1", _H + 1)
        self.relay("h1", _H, "m_h1", _H + 1)
        self.relay("h1_lo", _H, "c_h1", _H + 1)
        self.relay("h1_hi", _H, "c_h1", _H + 1, ANTI_RELAY)
        for phase in _W2:
            self.gate(copies, phase)
            self.relay("m_h1", _H + 1, copies, phase)
        for phase in _W1:
            self.open_by("c_h1", _H + 1, copies, phase, FIRE_LOW)
        self.mean(_H, f"W1 x > {FIRE}, > {low}, > {high}")

    def output(self) -> None:
        copies, margin = "o o_lo o_hi", self.margin
        for name, fire in (("o", FIRE), ("o_lo", 1024 - margin), ("o_hi", margin)):
            self.add(name, 2, (_O, *_W2))
            self.gate(name, _O, fire)
        self.add("t", 2, (_O,))
        self.gate("t", _O)
        # The error, and its negative; what is positive drives the layer first.
        for name in ("o_T", "o_T_neg"):
            self.add(name, 2, _W2)
        for phase in _W2:
            self.gate(f"{copies} o_T o_T_neg", phase)
        up, down = _W2
        for posts, positive, negative in ((f"{copies} o_T", up, down), ("o_T_neg", down, up)):
            self.relay("t", _O, posts, positive)
            self.relay("o_hi", _O, posts, positive, ANTI_RELAY)
            self.relay("o_lo", _O, posts, negative)
            self.relay("t", _O, posts, negative, ANTI_RELAY)
        self.mean(_O, f"W2 h1 > {FIRE}, > {1024 - margin}, > {margin}; target")

    def dense(self) -> None:
        for copy in ("", "_lo", "_hi"):
            self.projections.append(DenseProjection(f"W1{copy}", "x", f"h1{copy}", "W1"))
            self.projections.append(DenseProjection(f"W2{copy}", "h1", f"o{copy}", "W2"))
        for copy in ("", "_lo", "_hi"):
            self.projections.append(DenseProjection(f"W2_T{copy}", "o_T", f"h1{copy}", "W2", transposed=True))
            self.projections.append(
                DenseProjection(f"W2_T_neg{copy}", "o_T_neg", f"h1{copy}", "W2", transposed=True, sign=-1)
            )
        for k, (up, down) in ((2, _W2), (1, _W1)):
            self.mean(up % _PERIOD, f"W{k} += where the error of {self.names[k]} is positive")
            self.mean(down % _PERIOD, f"W{k} -= where it is negative")
