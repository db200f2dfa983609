"""Three-factor Hebbian learning of 8-bit synapses, step by step, in plain NumPy.

A plastic matrix W, shape (pre, post), may be held by several *projections*: copies,
transposes (the backward weights) and negatives. Each has weights of its own and
learns from the spikes at its own ends, all by one rule. In every step::

    w = saturate(w + dw(x0, y0, r))        where a pre- or a postsynaptic neuron fires
    a_out[t + 1] = sum of w * x0           over the presynaptic neurons that fire in step t

x0 and y0 are the spikes (0 or 1) of the two neurons in this step, r is the third
factor (an integer, the same for all synapses). Weights are even integers that
saturate at +-254; the changed weight acts on spikes that arrive from the next step
on. Source: Renner et al. 2024, Methods; Davies et al. 2018 for the sum-of-products
form of the chip's rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.arrays import Allocate
from lava_nbp.base.checks import as_array, check_flag, check_kind, check_sequence, check_text, shown
from lava_nbp.base.fields import settle
from lava_nbp.base.integers import Int16Array, check_plastic_weights, saturate
from lava_nbp.base.widths import PLASTIC_WEIGHT_MAX
from lava_nbp.errors import InputError, MirrorError, WeightError
from lava_nbp.nbp.circuit import DenseProjection
from lava_nbp.nbp.draws import Rounding
from lava_nbp.nbp.gated_group import check_name
from lava_nbp.nbp.mask import Mask, check_where_synapses_are
from lava_nbp.nbp.rule import ThreeFactorRule
from lava_nbp.nbp.work import Counters

_NOBODY: NDArray[np.int64] = np.zeros(0, np.intp)


@dataclass(frozen=True)
class Mirror:
    """A further projection that holds the same matrix, between other populations.

    Parameters
    ----------
    name : str
        Of the projection.
    pre, post : str
        Populations at its ends. "s" and "post" are those of the matrix itself.
    transposed : bool
        It leads backward: its weights, (pre, post), are the matrix transposed.
    sign : {1, -1}
        -1: its weights are the negatives.
    """

    name: str
    pre: str = "s"
    post: str = "post"
    transposed: bool = False
    sign: Literal[1, -1] = 1

    def __post_init__(self) -> None:
        what = f"mirror {shown(self.name)}"
        settle(self, what, InputError)
        for population in (self.pre, self.post):
            check_name(population, f"{what}: name of a population")
        if not self.name:
            raise InputError(f"{what} has no name; give it one")


class HebbianSynapses:
    """One plastic matrix and its mirrors: weights, spikes in, weighted sums out.

    Parameters
    ----------
    weights : array_like
        The matrix, (pre, post): even integers in -254 .. 254.
    mirrors : sequence of Mirror
        Further projections of it. The matrix itself is the projection `name` from "s" to "post".
    rule : ThreeFactorRule, optional
        None: the weights are fixed.
    name : str
        Of the matrix.
    allocate : callable
        Makes arrays of zeros; with shared memory, parent and child see the same state.
    storage : mapping, optional
        Arrays that hold the projections' weights, by name, instead of new ones.
    chip_order : bool
        False: learn, then send. True: send with the weights as they are, then learn.
    rounding : Rounding, optional
        Which of the changes that the rule asks for, for pairs of spikes, are made; default: all.
    mask : Mask, optional
        Which synapses there are, of the matrix and so of all that hold it; default: all. With one, projections are
        (synapses,), row after row.

    Raises
    ------
    WeightError
        For weights that synapses cannot hold, or where there is none.
    InputError
        For mirrors that do not fit together.
    """

    def __init__(
        self,
        weights: Any,
        mirrors: Sequence[Mirror] = (),
        rule: ThreeFactorRule | None = None,
        name: str = "W",
        allocate: Allocate = np.zeros,
        storage: Mapping[str, Int16Array] | None = None,
        chip_order: bool = False,
        rounding: Rounding | None = None,
        mask: Mask | None = None,
    ) -> None:
        if rounding is not None:
            check_kind(rounding, Rounding, "rounding")
        if mask is not None:
            check_kind(mask, Mask, "mask")
        if storage is not None:
            check_kind(storage, Mapping, "storage")
        self._rounding, self._mask = rounding, mask
        if rule is not None:
            check_kind(rule, ThreeFactorRule, "rule")
        check_text(name, "name of the matrix")
        self.name, self.rule, self.chip_order = name, rule, check_flag(chip_order, "chip_order")
        mirrors = check_sequence(mirrors, "mirrors", "give Mirror(...) values")
        for k, mirror in enumerate(mirrors):
            check_kind(mirror, Mirror, f"mirrors[{k}]")
        shape = as_array(weights, name, error=WeightError).shape
        if len(shape) != 2 or 0 in shape:
            raise InputError(f"{name} has shape {shape}, but must be a matrix (pre, post) with at least one synapse")
        self.shape = (int(shape[0]), int(shape[1]))
        checked = self._checked(weights)
        self.mirrors = (
            DenseProjection(name, "s", "post", name),
            *(DenseProjection(m.name, m.pre, m.post, name, m.transposed, m.sign) for m in mirrors),
        )
        self.sizes = self._sizes()
        self.posts = tuple(dict.fromkeys(m.post for m in self.mirrors))
        ends = [m.pre for m in self.mirrors] + [m.post for m in self.mirrors if rule is not None]
        #: Populations whose spikes are needed.
        self.populations = tuple(dict.fromkeys(ends))
        self._masks = {m.name: self._mask_of(m) for m in self.mirrors}
        held_as = {m.name: self._held_as(m) for m in self.mirrors}
        for name, needed in held_as.items():
            held = None if storage is None else storage.get(name)
            if storage is not None and not (
                isinstance(held, np.ndarray) and held.shape == needed and held.dtype == np.int16
            ):
                raise InputError(f"storage: {name!r} is {shown(held)}, but must be an int16 array of shape {needed}")
        self.projections: dict[str, Int16Array] = {
            name: allocate(needed, np.int16) if storage is None else storage[name] for name, needed in held_as.items()
        }
        self._sums = {post: allocate(self.sizes[post], np.int32) for post in self.posts}
        self.counters = Counters.make(allocate)
        self._step = allocate(1, np.int64)
        if storage is None:
            self._write(checked)

    def _sizes(self) -> dict[str, int]:
        sizes = {"s": self.shape[0], "post": self.shape[1]}
        if len({m.name for m in self.mirrors}) < len(self.mirrors):
            raise InputError(f"{self.name}: two mirrors have the same name; rename one of them")
        for m in self.mirrors:
            ends = self.shape[::-1] if m.transposed else self.shape
            for population, size in zip((m.pre, m.post), ends, strict=True):
                if sizes.setdefault(population, size) != size:
                    raise InputError(
                        f"mirror {m.name!r} of {self.name} needs {size} neurons in population {population!r}, which "
                        f"has {sizes[population]}; is `transposed` right?"
                    )
        return sizes

    # ---------------------------------------------------------------- masks

    def _mask_of(self, m: DenseProjection) -> _Masked | None:
        if self._mask is None:
            return None
        turned = self._mask.transposed(self.shape) if m.transposed else self._mask
        return _Masked.of(turned, self._shape_of(m), m.transposed)

    def _shape_of(self, m: DenseProjection) -> tuple[int, int]:
        return self.shape[::-1] if m.transposed else self.shape

    def _held_as(self, m: DenseProjection) -> tuple[int, ...]:
        """Shape of the array that holds a projection."""
        masked = self._masks[m.name]
        return self._shape_of(m) if masked is None else (len(masked.rows),)

    def matrix_of(self, name: str) -> Int16Array:
        """A copy of the weights (its pre, its post) of the matrix or of a mirror, 0 where there is no synapse."""
        masked, held = self._masks[name], self.projections[name]
        return held.copy() if masked is None else masked.mask.spread(held, masked.shape)

    # -------------------------------------------------------------- weights

    def _checked(self, weights: Any) -> Int16Array:
        checked = check_plastic_weights(weights, self.shape, self.name)
        if self._mask is not None:
            check_where_synapses_are(checked, self._mask, self.name)
        return checked

    def write_weights(self, weights: Any) -> None:
        """Set the matrix and every mirror of it.

        Raises
        ------
        WeightError
            For a wrong shape, or values that synapses cannot hold; nothing is changed then.
        """
        self._write(self._checked(weights))

    def _write(self, matrix: Int16Array) -> None:
        for m in self.mirrors:
            masked, copy = self._masks[m.name], m.copy_of(matrix)
            self.projections[m.name][...] = copy if masked is None else masked.mask.taken(copy)

    def read_weights(self) -> Int16Array:
        """A copy of the matrix."""
        return self.matrix_of(self.name)

    def check_mirrors(self) -> None:
        """Raise MirrorError if a mirror differs from the matrix.

        In the middle of an algorithm that changes them in different steps they may; nBP has
        them equal at the end of every sample.
        """
        for m in self.mirrors[1:]:
            held, wanted = self.matrix_of(m.name), m.copy_of(self.read_weights())
            differing = np.argwhere(held != wanted)
            if len(differing):
                i, j = (int(k) for k in differing[0])
                raise MirrorError(
                    f"mirror {m.name!r}[{i}, {j}] is {held[i, j]}, but {self.name} asks for {wanted[i, j]} "
                    f"({len(differing)} of {held.size} synapses differ); write the matrix to all with write_weights, "
                    f"and see that both ends of every mirror fire together"
                )

    # -------------------------------------------------------------- running

    def reset(self) -> None:
        """Forget spikes under way, and steps done; the weights stay."""
        self._step[0] = 0
        self._clear()

    def _clear(self) -> None:
        for sums in self._sums.values():
            sums[...] = 0

    def weighted_sums(self, post: str) -> NDArray[np.int32]:
        """Input, in weight units, that the last step's spikes bring a population in this step."""
        return self._sums[post]

    def step(self, spikes: Mapping[str, NDArray[Any]], r: int = 0) -> None:
        """Take this step's spikes (not 0) of all `populations`, and the third factor: learn and send."""
        given = [(name, spikes[name]) for name in self.populations]
        active = {name: np.flatnonzero(s) if np.count_nonzero(s) else _NOBODY for name, s in given}
        self._clear()
        now = int(self._step[0])
        self._step[0] = now + 1
        if all([who is _NOBODY for who in active.values()]):  # noqa: C419 - a generator costs more
            return
        coefficients = self.rule.coefficients(r) if self.rule is not None else None
        for m in self.mirrors:
            W, rows = self.projections[m.name], active[m.pre]
            if coefficients is not None and not self.chip_order:
                self.counters.updates[0] += self._learn(m, rows, active[m.post], coefficients, now)
            if len(rows):
                masked = self._masks[m.name]
                if masked is None:
                    self._sums[m.post] += np.add.reduce(W[rows], axis=0, dtype=np.int32)
                    self.counters.synaptic_events[0] += len(rows) * W.shape[1]
                else:
                    self.counters.synaptic_events[0] += masked.send(W, rows, self._sums[m.post])
            if coefficients is not None and self.chip_order:
                self.counters.updates[0] += self._learn(m, rows, active[m.post], coefficients, now)

    def _learn(
        self,
        m: DenseProjection,
        rows: NDArray[np.int64],
        columns: NDArray[np.int64],
        coefficients: tuple[int, int, int],
        now: int,
    ) -> int:
        """Follow the rule, and return how many synapses were asked to change."""
        W, change, masked = self.projections[m.name], coefficients[2], self._masks[m.name]
        if masked is not None:
            return masked.learn(W, rows, columns, coefficients, lambda n: self._chosen(now, m.sign * change, n))
        if self._rounding is None:
            return _learn(W, rows, columns, coefficients)
        n = len(rows) * len(columns)
        if n and change:
            made = self._rounding.chosen(now, m.sign * change, n)
            # Row by row of the matrix, of which a mirror may be the transpose.
            per_row = len(rows) if m.transposed else len(columns)
            first, second = made // per_row, made % per_row
            pairs = (rows[second], columns[first]) if m.transposed else (rows[first], columns[second])
            W[pairs] = saturate(W[pairs] + np.int64(change), PLASTIC_WEIGHT_MAX)
        return n if change else 0

    def _chosen(self, now: int, change: int, n: int) -> NDArray[np.int64] | None:
        """Which of n changes of pairs are made in a step; None: all."""
        return None if self._rounding is None or not n else self._rounding.chosen(now, change, n)


@dataclass(frozen=True)
class _Masked:
    """The synapses of a projection that has not all: the arrays are (synapses,), row after row."""

    mask: Mask
    shape: tuple[int, int]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    #: Synapses in the order of the matrix's rows, of which the projection may be the transpose.
    order: NDArray[np.int64]

    @classmethod
    def of(cls, mask: Mask, shape: tuple[int, int], transposed: bool) -> _Masked:
        rows, columns = mask.ends(shape[1])
        order = np.lexsort((rows, columns)) if transposed else np.arange(len(rows))
        return cls(mask, shape, rows, columns, order)

    def send(self, W: Int16Array, rows: NDArray[np.int64], sums: NDArray[np.int32]) -> int:
        """Add what spikes bring, and return by how many synapses."""
        active = np.flatnonzero(_there(rows, self.shape[0])[self.rows])
        np.add.at(sums, self.columns[active], W[active])
        return len(active)

    def learn(
        self,
        W: Int16Array,
        rows: NDArray[np.int64],
        columns: NDArray[np.int64],
        coefficients: tuple[int, int, int],
        chosen: Callable[[int], NDArray[np.int64] | None],
    ) -> int:
        """Follow the rule, and return how many synapses were asked to change.

        chosen: which of n changes are made, if the rule asks for changes of pairs only; None: all.
        """
        a, b, c = coefficients
        x0, y0 = _there(rows, self.shape[0])[self.rows], _there(columns, self.shape[1])[self.columns]
        change = a * x0 + b * y0 + c * (x0 & y0)
        asked = self.order[change[self.order] != 0]
        made = chosen(len(asked))
        touched = asked if made is None else asked[made]
        W[touched] = saturate(W[touched] + change[touched], PLASTIC_WEIGHT_MAX)
        return len(asked)


def _there(places: NDArray[np.int64], n: int) -> NDArray[np.bool_]:
    found = np.zeros(n, dtype=bool)
    found[places] = True
    return found


def _learn(
    W: Int16Array, rows: NDArray[np.int64], columns: NDArray[np.int64], coefficients: tuple[int, int, int]
) -> int:
    """Apply dw = a x0 + b y0 + c x0 y0, and return how many synapses were asked to change."""
    a, b, c = coefficients
    if not a and not b:
        if not c or not len(rows) or not len(columns):
            return 0
        both = (rows[:, None], columns)
        W[both] = saturate(W[both] + np.int64(c), PLASTIC_WEIGHT_MAX)
        return len(rows) * len(columns)
    change = np.zeros(W.shape, dtype=np.int64)
    change[rows] += a
    change[:, columns] += b
    change[np.ix_(rows, columns)] += c
    W[...] = saturate(W + change, PLASTIC_WEIGHT_MAX)
    return int(np.count_nonzero(change))
