"""Arithmetic of Lava's stock models, without what nothing can come of: the same bits in less time.

Spikes are few, so most columns of a matrix are not asked for in a step, and most synapses do not learn in it. Lava
computes them all. Only models of Lava's own classes are touched, each by itself; Lava's classes stay as they are.

Uses internals of lava-nc 0.10.0, which is archived and pinned.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava.magma.core.learning import string_symbols as symbols
from lava.magma.core.learning.constants import GradedSpikeCfg
from lava.magma.core.model.py.model import AbstractPyProcessModel
from lava.proc.dense.models import PyDelayDenseModelBitAcc, PyDenseModelBitAcc, PyLearningDenseModelBitApproximate


def hasten_arithmetic(model: Any) -> None:
    """Give a built model methods of its own that do the same as its class's; see `leave_arithmetic`."""
    make = _MAKERS.get(type(model))
    if make is not None:
        vars(model).update(make(model))


def set_plainly(model: Any) -> None:
    """Let a built model of Lava's or this library's set attributes without a look at whether they are ports."""
    kind: Any = type(model)
    known = kind.__module__.startswith(("lava.", "lava_nbp."))
    if known and kind.__setattr__ is AbstractPyProcessModel.__setattr__:
        object.__setattr__(model, "__class__", _that_sets_plainly(kind))


@cache
def _that_sets_plainly(kind: Any) -> Any:
    names = {name: getattr(kind, name) for name in ("__module__", "__qualname__", "__doc__")}
    return type(kind)(kind.__name__, (kind,), {**names, "__setattr__": object.__setattr__})


def leave_arithmetic(model: Any) -> None:
    """Take them from it again: they refer to it."""
    for name in _OWN:
        vars(model).pop(name, None)


class _WeightedSums:
    """`run_spk` of Dense and LearningDense: no column is summed up if nobody has spiked."""

    def __init__(self, model: Any) -> None:
        self._model, self._first = model, model.run_spk
        self._learns = isinstance(model, PyLearningDenseModelBitApproximate)

    def __call__(self) -> None:
        model = self._model
        if not model.weights_set or model.num_message_bits.item() > 0:
            self._first()
            return
        model.weight_exp = model.proc_params.get("weight_exp", 0)
        model.a_out.send(model.a_buff)
        s_in = model.s_in.recv().astype(bool)
        if np.count_nonzero(s_in):
            sums = model.weights[:, s_in].sum(axis=1)
            model.a_buff = sums << model.weight_exp if model.weight_exp > 0 else sums >> -model.weight_exp
        else:
            model.a_buff = np.zeros(len(model.weights), np.int64)
        if self._learns:
            model.recv_traces(s_in)


class _ActiveColumns:
    """`calc_act` of DelayDense: what spikes bring, by delay, over the columns of those who spiked."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __call__(self, s_in: NDArray[Any]) -> NDArray[Any]:
        model, active = self._model, np.flatnonzero(s_in)
        brought = np.zeros((model.a_buff.shape[-1], len(model.weights)), np.int64)
        if len(active):
            weights, delays = model.weights[:, active] * s_in[active], model.delays[:, active]
            for k, sums in enumerate(brought):
                np.sum(np.where(delays == k, weights, 0), axis=1, out=sums)
        return brought.T


class _Learning:
    """Methods of LearningDense, where nobody has spiked, where traces are 0, and where no product of the rule acts.

    Lava shifts, clips and rounds the weights in every step. What it has made of them once stays as it is by that; what
    somebody else has set is left to Lava the first time.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._pre, self._post = model._process_pre_spikes, model._process_post_spikes
        self._histories, self._apply = model._compute_trace_histories, model._apply_learning_rules
        self._appliers: Any = None
        self._made: Any = None
        self._needs: list[set[str]] = []

    def pre_spikes(self, s_in: NDArray[Any]) -> None:
        """`_process_pre_spikes`."""
        if self._model._graded_spike_cfg != GradedSpikeCfg.USE_REGULAR_IMPULSE or np.count_nonzero(s_in):
            self._pre(s_in)

    def post_spikes(self, s_in_bap: NDArray[Any]) -> None:
        """`_process_post_spikes`."""
        if np.count_nonzero(s_in_bap):
            self._post(s_in_bap)

    def histories(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """`_compute_trace_histories`, of epochs of one step."""
        model = self._model
        if model._learning_rule.t_epoch != 1:
            found: tuple[NDArray[Any], NDArray[Any]] = self._histories()
            return found
        x = self._history(
            model._x_traces, model._x_taus, model.tx, model._x_random, model._x_impulses_int, model._x_impulses_frac
        )
        y = self._history(
            model._y_traces, model._y_taus, model.ty, model._y_random, model._y_impulses_int, model._y_impulses_frac
        )
        return x, y

    def _history(
        self, traces: NDArray[Any], taus: NDArray[Any], times: NDArray[Any], random: Any, whole: Any, fraction: Any
    ) -> NDArray[Any]:
        """Traces before the step, and after it: decayed, and with the impulses of those who spiked."""
        model, history = self._model, np.zeros((2, *traces.shape), dtype=int)
        if np.count_nonzero(traces):
            history[0] = traces
            kept = taus != 0
            history[1][kept] = model._decay_trace(history[0][kept], 1, taus[kept][:, None], random.random_trace_decay)
        spiked = np.flatnonzero(times == 1)
        if len(spiked):
            history[1][:, spiked] = model._add_impulse(
                history[1][:, spiked], random.random_impulse_addition, whole[:, None], fraction[:, None]
            )
        return history

    def apply(self, x_traces_history: NDArray[Any], y_traces_history: NDArray[Any]) -> None:
        """`_apply_learning_rules`."""
        model = self._model
        if model._learning_rule_appliers is not self._appliers:  # Vars were set
            self._appliers, self._made = model._learning_rule_appliers, None
            self._needs = [_needs(p) for a in self._appliers.values() for p in a._product_series.products]
        if self._made is not None and model.weights is self._made and not self._may_learn():
            return
        self._apply(x_traces_history, y_traces_history)
        self._made = model.weights if set(self._appliers) == {"weights"} else None

    def _may_learn(self) -> bool:
        there = {symbols.U}
        if np.count_nonzero(self._model.x0):
            there.add(symbols.X0)
        if np.count_nonzero(self._model.y0):
            there.add(symbols.Y0)
        return any(needs <= there for needs in self._needs)


def _needs(product: Any) -> set[str]:
    """Spikes without which a product of a learning rule is 0."""
    plain = (f.state_var for f in product.factors if f.state_var in symbols.DEPENDENCIES and not f.has_const())
    return {product.dependency, *plain}


def _of_dense(model: Any) -> dict[str, Any]:
    return {"run_spk": _WeightedSums(model)}


def _of_delay_dense(model: Any) -> dict[str, Any]:
    return {"calc_act": _ActiveColumns(model)}


def _of_learning_dense(model: Any) -> dict[str, Any]:
    learning = _Learning(model)
    return {
        **_of_dense(model),
        "_process_pre_spikes": learning.pre_spikes,
        "_process_post_spikes": learning.post_spikes,
        "_compute_trace_histories": learning.histories,
        "_apply_learning_rules": learning.apply,
    }


#: What makes the methods, by the class of the model: not by those it is derived from, which may do something else.
_MAKERS = {
    PyDenseModelBitAcc: _of_dense,
    PyDelayDenseModelBitAcc: _of_delay_dense,
    PyLearningDenseModelBitApproximate: _of_learning_dense,
}
_OWN = (
    "run_spk", "calc_act", "_process_pre_spikes", "_process_post_spikes", "_compute_trace_histories",
    "_apply_learning_rules",
)  # fmt: skip
