"""Learning of Lava's LearningDense where something is learned: the same bits in less time.

Uses internals of lava-nc 0.10.0, which is archived and pinned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.nbp.draws import ProjectionRounding
from lava_nbp.nbp.mask import Mask

from lava.magma.core.learning import string_symbols as symbols
from lava.magma.core.learning.constants import (
    FACTOR_TO_WIDTH_DICT,
    W_ACCUMULATOR_S,
    W_ACCUMULATOR_U,
    W_S_MANT,
    W_SYN_VAR_S,
    W_TRACE,
    GradedSpikeCfg,
)
from lava.magma.core.learning.learning_rule import Loihi2FLearningRule, Loihi3FLearningRule
from lava.magma.core.learning.learning_rule_applier import LearningRuleApplierBitApprox
from lava.magma.core.learning.random import ConnVarRandom, TraceRandom

#: So many random numbers are drawn at once, at most.
_DRAWN = 4096
_BOOL, _INT64 = np.dtype(bool), np.dtype(np.int64)
#: The greatest value of a rule's accumulator; the least is Lava's, one less than its negative.
_MOST = 2**W_ACCUMULATOR_U - 1
#: x0 or y0 of neurons that have all spiked.
_SPIKED = np.ones((1, 1), bool)
_X_TRACES, _Y_TRACES = (symbols.X1, symbols.X2), (symbols.Y1, symbols.Y2, symbols.Y3)


class Learning:
    """Methods of LearningDense, for steps in which nobody has spiked, traces are 0, or no product of the rule acts.

    Lava shifts, clips and rounds all weights in every step. What it has made of them once stays as it is by that, so
    later only synapses are touched that a product of the rule can change; what somebody else has set is left to Lava
    the first time.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._pre, self._post, self._learn = model._process_pre_spikes, model._process_post_spikes, model.run_lrn
        self._apply_to_all = model._apply_learning_rules
        self._appliers: Any = None
        self._made: Any = None
        #: Of the rule: whether a product acts if there are spikes of either side; whether all need both; its products;
        #: what stands in them; and what those bring that depend on spikes alone.
        self._acts: dict[tuple[int, int], bool] = {}
        self._pairs_only = False
        self._products: list[Any] = []
        self._used: set[str] = set()
        self._changes: list[Any] = []
        self._rounding: ProjectionRounding | None = model.proc_params.get("rounding")
        mask: Mask | None = model.proc_params.get("mask")
        #: Where there is a synapse, (post, pre); None: everywhere.
        self._there = None if mask is None else mask.matrix(model.weights.shape[::-1]).T
        for random in (model._x_random, model._y_random, model._conn_var_random):
            draw_when_asked(random)

    # --------------------------------------------------------------- spikes

    def receive(self, s_in: NDArray[Any]) -> None:
        """`recv_traces`: spikes of both sides, and the traces that a third factor brings."""
        model, rule = self._model, self._model._learning_rule
        if self._rounding is not None:
            self._rounding.steps[0] += 1
        if model._graded_spike_cfg != GradedSpikeCfg.USE_REGULAR_IMPULSE:
            self._pre(s_in)
        elif np.count_nonzero(s_in):
            if rule.t_epoch != 1 or np.count_nonzero(model.tx):
                self._pre(s_in)
            else:  # the first spikes of the epoch, of which only the time is kept
                model.tx[s_in.astype(bool)] = 1
        model._update_trace_randoms()
        if isinstance(rule, Loihi2FLearningRule):
            s_in_bap = model.s_in_bap.recv().astype(bool)
            if np.count_nonzero(s_in_bap):
                self._post(s_in_bap)
        elif isinstance(rule, Loihi3FLearningRule):
            s_in_bap = model.s_in_bap.recv().astype(bool)
            third = [model.s_in_y1.recv(), model.s_in_y2.recv(), model.s_in_y3.recv()]
            if np.count_nonzero(s_in_bap):
                if rule.t_epoch != 1 or np.count_nonzero(model.ty):
                    self._post(s_in_bap)
                else:
                    model.y0[s_in_bap] = True
                    model.ty[s_in_bap] = 1
            kind = _common(model.y1.dtype, model.y2.dtype, model.y3.dtype)
            model.y1, model.y2, model.y3 = [trace.astype(kind, copy=False) for trace in third]
        model._update_trace_randoms()

    # ------------------------------------------------------------- learning

    def run_lrn(self) -> None:
        """`run_lrn`, of epochs of one step."""
        model = self._model
        if model._learning_rule.t_epoch != 1:
            self._learn()
            return
        model._update_synaptic_variable_random()
        if self._rests():
            return
        model.x0, model.y0 = model.tx > 0, model.ty > 0
        two = isinstance(model._learning_rule, Loihi2FLearningRule)
        x = _history(
            (model.x1, model.x2), model._x_taus, model.tx, model._x_random, model._x_impulses_int,
            model._x_impulses_frac, model,
        )  # fmt: skip
        model._set_x_traces(x[-1])
        if two or not self._has_made() or self._may_learn():
            y = _history(
                (model.y1, model.y2, model.y3), model._y_taus, model.ty, model._y_random, model._y_impulses_int,
                model._y_impulses_frac, model,
            )  # fmt: skip
            if two:
                model._set_y_traces(y[-1])
            self.apply(x, y)
        model.x0, model.y0 = np.zeros(model.x0.shape, bool), np.zeros(model.y0.shape, bool)
        model.tx, model.ty = np.zeros(model.tx.shape, model.tx.dtype), np.zeros(model.ty.shape, model.ty.dtype)

    def _rests(self) -> bool:
        """Whether nothing would change: no spike, no trace, no weight, and no array's type."""
        model = self._model
        if np.count_nonzero(model.tx) or np.count_nonzero(model.ty):
            return False
        if np.count_nonzero(model.x0) or np.count_nonzero(model.y0) or not self._has_made() or self._may_learn():
            return False
        kept = [model.x1, model.x2]
        if isinstance(model._learning_rule, Loihi2FLearningRule):
            kept += [model.y1, model.y2, model.y3]
        return model.x0.dtype is model.y0.dtype is _BOOL and all(
            trace.dtype is _INT64 and not np.count_nonzero(trace) for trace in kept
        )

    def _has_made(self) -> bool:
        """Whether the weights are what Lava's learning has made of them: nobody has set them, nor the rule."""
        model = self._model
        if model._learning_rule_appliers is not self._appliers:  # Vars were set
            self._appliers, self._made = model._learning_rule_appliers, None
            products = [p for applier in self._appliers.values() for p in applier._product_series.products]
            needs = [_needs(p) for p in products]
            there = {(x, y): {symbols.U, *[symbols.X0] * x, *[symbols.Y0] * y} for x in (0, 1) for y in (0, 1)}
            self._acts = {spiked: any(n <= those for n in needs) for spiked, those in there.items()}
            self._pairs_only = all(n == {symbols.X0, symbols.Y0} for n in needs)
            self._products, self._used = products, set().union(*map(_used, products))
            spikes = {symbols.X0: _SPIKED, symbols.Y0: _SPIKED}
            self._changes = [_change(p, spikes) if _used(p) <= {*spikes, symbols.C} else None for p in products]
        return self._made is not None and model.weights is self._made

    def _may_learn(self) -> bool:
        """Whether a product of the rule acts, given who has spiked."""
        model = self._model
        return self._acts[bool(np.count_nonzero(model.x0)), bool(np.count_nonzero(model.y0))]

    def apply(self, x_traces_history: NDArray[Any], y_traces_history: NDArray[Any]) -> None:
        """`_apply_learning_rules`; of what is to change as much as is drawn, if the Process says so, and is there."""
        model = self._model
        if self._rounding is None:
            self._apply(x_traces_history, y_traces_history)
            if self._there is not None:
                model.weights[~self._there] = 0
            return
        pairs = np.ix_(np.flatnonzero(model.y0), np.flatnonzero(model.x0))
        before = model.weights[pairs]
        self._apply(x_traces_history, y_traces_history)
        after = model.weights[pairs]
        if (after != before).any():
            there = np.ones(before.shape, bool) if self._there is None else self._there[pairs]
            made = self._rounding.chosen(int(np.sign(after - before).sum()), there.T)
            model.weights[pairs] = np.where(made.T, after, before)

    def _apply(self, x_traces_history: NDArray[Any], y_traces_history: NDArray[Any]) -> None:
        model = self._model
        if not self._has_made():
            self._apply_to_all(x_traces_history, y_traces_history)
            self._made = model.weights if set(self._appliers) == {"weights"} else None
        elif self._may_learn():
            if self._pairs_only and model._learning_rule.t_epoch == 1:
                self._apply_to_pairs(x_traces_history[1], y_traces_history[1])
            else:
                self._apply_to_all(x_traces_history, y_traces_history)
                self._made = model.weights

    def _apply_to_pairs(self, x: NDArray[Any], y: NDArray[Any]) -> None:
        """A rule all of whose products need spikes on both sides, for the synapses between those who have spiked."""
        model = self._model
        rows, columns = np.flatnonzero(model.y0), np.flatnonzero(model.x0)
        pairs = (rows[:, None], columns)
        values = {symbols.X0: _SPIKED, symbols.Y0: _SPIKED}
        for used in self._used:
            if used in symbols.SYNAPTIC_VARIABLE_VAR_MAPPING:
                name = symbols.SYNAPTIC_VARIABLE_VAR_MAPPING[used]
                values[name] = getattr(model, name)[pairs]
            elif used in _X_TRACES:
                values[f"{used}_x0"] = values[f"{used}_y0"] = x[_X_TRACES.index(used), columns]
            elif used in _Y_TRACES:
                values[f"{used}_x0"] = values[f"{used}_y0"] = y[_Y_TRACES.index(used), rows, None]
        shift = W_ACCUMULATOR_S - W_SYN_VAR_S["weights"]
        made = model.weights[pairs] << shift
        for k, product in enumerate(self._products):
            change = self._changes[k]
            made = _clipped(made + (_change(product, values) if change is None else change), -_MOST - 2, _MOST)
        made = model._saturate_synaptic_variable_accumulator("weights", made)
        made = model._stochastic_round_synaptic_variable(
            "weights", made, model._conn_var_random.random_stochastic_round
        )
        model.weights[pairs] = model._saturate_synaptic_variable("weights", made >> shift)


def _change(product: Any, values: dict[str, Any]) -> Any:
    """What a product of the rule adds to the accumulator, before that is clipped; as Lava's applier of rules."""
    bits, change = W_S_MANT, np.ones((1, 1), np.int32)
    for factor in product.factors:
        width = FACTOR_TO_WIDTH_DICT[factor.state_var]
        value = LearningRuleApplierBitApprox._compute_factor(product.dependency, factor, values)
        change = change * _clipped(value, -(1 << width), (1 << width) - 1).astype(np.int32)
        bits += width
    change *= product.s_mantissa
    shifted = np.left_shift(np.right_shift(change, np.maximum(0, bits - W_ACCUMULATOR_U)), product.s_exp)
    return _clipped(shifted, -_MOST - 2, _MOST)


def _clipped(values: Any, low: int, high: int) -> Any:
    return np.minimum(np.maximum(values, low), high)


def _history(
    traces: Sequence[NDArray[Any]], taus: NDArray[Any], times: NDArray[Any], random: Any, whole: NDArray[Any],
    fraction: NDArray[Any], model: Any,
) -> NDArray[Any]:  # fmt: skip
    """Traces before the step, and after it: decayed, and with the impulses of those who spiked."""
    history = np.zeros((2, len(traces), len(times)), dtype=int)
    if any([np.count_nonzero(trace) for trace in traces]):  # noqa: C419 - a generator costs more
        history[0] = traces
        kept = taus != 0
        history[1][kept] = model._decay_trace(history[0][kept], 1, taus[kept][:, None], random.random_trace_decay)
    if np.count_nonzero(whole) or np.count_nonzero(fraction) or np.count_nonzero(history):
        spiked = np.flatnonzero(times == 1)
        history[1][:, spiked] = model._add_impulse(
            history[1][:, spiked], random.random_impulse_addition, whole[:, None], fraction[:, None]
        )
    return history


def _common(first: Any, *others: Any) -> Any:
    """The type that arrays of some types have together."""
    return first if all(kind is first for kind in others) else np.result_type(first, *others)


def _used(product: Any) -> set[str]:
    """What stands in a product of a learning rule."""
    return {factor.state_var for factor in product.factors}


def _needs(product: Any) -> set[str]:
    """Spikes without which a product of a learning rule is 0."""
    plain = (f.state_var for f in product.factors if f.state_var in symbols.DEPENDENCIES and not f.has_const())
    return {product.dependency, *plain}


# -------------------------------------------------------------- random numbers


def draw_when_asked(random: Any) -> None:
    """Let one of Lava's generators draw its numbers when one is asked for, not in every step; they are the same."""
    kind = {TraceRandom: _TraceRandom, ConnVarRandom: _ConnVarRandom}.get(type(random))
    if kind is not None:
        random.__class__ = kind


def _last(draw: Callable[[int], Any], n: int) -> Any:
    """The last of n numbers, of which not more are kept at once than there is room for."""
    while n > _DRAWN:
        draw(_DRAWN)
        n -= _DRAWN
    return draw(n)[-1]


class _TraceRandom(TraceRandom):  # type: ignore[misc]
    _decays = _impulses = 0

    def advance(self) -> None:
        self._decays += 1
        self._impulses += 1

    @property
    def random_trace_decay(self) -> Any:
        if self._decays:
            self._random_trace_decay, self._decays = _last(self._rng_trace_decay.random, self._decays), 0
        return self._random_trace_decay

    @property
    def random_impulse_addition(self) -> Any:
        if self._impulses:
            draw = self._rng_impulse_addition.integers
            drawn = _last(lambda n: draw(0, 2**W_TRACE, size=n, dtype=int), self._impulses)
            self._random_impulse_addition, self._impulses = drawn, 0
        return self._random_impulse_addition


class _ConnVarRandom(ConnVarRandom):  # type: ignore[misc]
    _rounds = 0

    def advance(self) -> None:
        self._rounds += 1

    @property
    def random_stochastic_round(self) -> Any:
        if self._rounds:
            self._random_stochastic_round, self._rounds = _last(self._rng.random, self._rounds), 0
        return self._random_stochastic_round
