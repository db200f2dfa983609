"""Arithmetic of Lava's stock models, without what nothing can come of: the same bits in less time.

Spikes are few: in most steps most columns of a matrix are not asked for, most synapses do not learn, and most neurons
are at rest. Lava computes them all. Only models of Lava's own classes are touched, each by itself; Lava's classes stay
as they are.

Uses internals of lava-nc 0.10.0, which is archived and pinned.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from lava_nbp.on_lava.stock_learning import Learning
from lava_nbp.on_lava.stock_neurons import RestingNeurons
from lava_nbp.on_lava.stock_synapses import DelayedSums, WeightedSums

from lava.magma.core.model.py.model import AbstractPyProcessModel
from lava.proc.dense.models import PyDelayDenseModelBitAcc, PyDenseModelBitAcc, PyLearningDenseModelBitApproximate
from lava.proc.lif.models import PyLifModelBitAcc


def hasten_arithmetic(model: Any) -> None:
    """Give a built model methods of its own that do the same as its class's; see `leave_arithmetic`."""
    make = _MAKERS.get(type(model))
    if make is not None:
        vars(model).update(make(model))


def leave_arithmetic(model: Any) -> None:
    """Take them from it again: they refer to it."""
    for name in _OWN:
        vars(model).pop(name, None)


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


def _of_lif(model: Any) -> dict[str, Any]:
    return {"run_spk": RestingNeurons(model).run_spk}


def _of_dense(model: Any) -> dict[str, Any]:
    return {"run_spk": WeightedSums(model).run_spk}


def _of_delay_dense(model: Any) -> dict[str, Any]:
    sums = DelayedSums(model)
    return {"run_spk": sums.run_spk, "calc_act": sums.by_delay}


def _of_learning_dense(model: Any) -> dict[str, Any]:
    learning = Learning(model)
    return {
        "run_spk": WeightedSums(model, learning.receive).run_spk,
        "run_lrn": learning.run_lrn,
        "recv_traces": learning.receive,
        "_apply_learning_rules": learning.apply,
    }


#: What makes the methods, by the class of the model: not by those it is derived from, which may do something else.
_MAKERS = {
    PyLifModelBitAcc: _of_lif,
    PyDenseModelBitAcc: _of_dense,
    PyDelayDenseModelBitAcc: _of_delay_dense,
    PyLearningDenseModelBitApproximate: _of_learning_dense,
}
_OWN = ("run_spk", "run_lrn", "calc_act", "recv_traces", "_apply_learning_rules")
