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

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.integers import Int16Array, check_plastic_weights, saturate
from lava_nbp.base.widths import PLASTIC_WEIGHT_MAX, WEIGHT_STEP
from lava_nbp.errors import InputError, MirrorError, RuleError, unknown_name
from lava_nbp.nbp.circuit import DenseProjection
from lava_nbp.nbp.executor import EVENTS, UPDATES, Allocate

#: The rule of the paper: +2 where both fire while r = 1, -2 while r = 0.
PAPER_RULE = "4*r*x0*y0 - 2*x0*y0"
_FACTORS = ("x0", "y0", "r")
#: A polynomial: integer coefficients by the powers of x0, y0 and r. Spikes are 0 or 1: their powers are 0 or 1.
Polynomial = dict[tuple[int, int, int], int]


@dataclass(frozen=True)
class ThreeFactorRule:
    """A learning rule as text: an integer polynomial in x0, y0 and r.

    Parameters
    ----------
    dw : str
        Sums, differences, products and whole powers of integers and of ``x0`` (presynaptic
        spike), ``y0`` (postsynaptic spike) and ``r`` (third factor), with parentheses. Once
        multiplied out, every term must contain x0 or y0, and its coefficient must be even.

    Raises
    ------
    RuleError
        For text that cannot be read, an unknown factor, or a term that synapses cannot follow.

    Examples
    --------
    >>> ThreeFactorRule("2*x0*(2*r - 1)*y0").change(x0=1, y0=1, r=1)
    2
    >>> ThreeFactorRule("2*r*x0*y0 - 4*x0").change(x0=1, y0=0, r=1)
    -4
    """

    dw: str = PAPER_RULE

    def __post_init__(self) -> None:
        for powers, coefficient in self._terms.items():
            term = _term_text(powers, coefficient)
            if not powers[0] and not powers[1]:
                raise RuleError(
                    f"rule {self.dw!r}: the term {term} has neither x0 nor y0, so it would change every weight in "
                    f"every step; multiply it by a spike"
                )
            if coefficient % WEIGHT_STEP:
                raise RuleError(
                    f"rule {self.dw!r}: the coefficient of {term} is odd, but plastic weights are even and move in "
                    f"steps of {WEIGHT_STEP}; use even coefficients"
                )

    @cached_property
    def _terms(self) -> Polynomial:
        return _parse(self.dw)

    @property
    def needs_third_factor(self) -> bool:
        """Whether r occurs."""
        return any(powers[2] for powers in self._terms)

    def coefficients(self, r: int) -> tuple[int, int, int]:
        """What is added for x0, for y0, and for both: dw = a * x0 + b * y0 + c * x0 * y0 at this r."""
        sums = {(1, 0): 0, (0, 1): 0, (1, 1): 0}
        for (x, y, power), coefficient in self._terms.items():
            sums[x, y] += coefficient * r**power
        return sums[1, 0], sums[0, 1], sums[1, 1]

    def change(self, x0: int, y0: int, r: int = 0) -> int:
        """The change of one weight, before saturation."""
        a, b, c = self.coefficients(r)
        return a * x0 + b * y0 + c * x0 * y0


def _parse(text: str) -> Polynomial:
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, TypeError, ValueError):
        raise RuleError(f"rule {text!r} cannot be read; write for instance {PAPER_RULE!r}") from None
    polynomial = {powers: c for powers, c in _expand(tree, text).items() if c}
    if not polynomial:
        raise RuleError(f"rule {text!r} never changes a weight; use a fixed connection, that is rule=None")
    return polynomial


def _expand(node: ast.expr, text: str) -> Polynomial:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return {(0, 0, 0): node.value}
    if isinstance(node, ast.Constant):
        raise RuleError(f"rule {text!r}: {node.value!r} is not an integer, but weights change by integers; scale it")
    if isinstance(node, ast.Name):
        if node.id not in _FACTORS:
            raise RuleError(f"rule {text!r}: {unknown_name('factor', node.id, _FACTORS)}; r is the third factor")
        x, y, r = (int(node.id == name) for name in _FACTORS)
        return {(x, y, r): 1}
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        sign = -1 if isinstance(node.op, ast.USub) else 1
        return {powers: sign * c for powers, c in _expand(node.operand, text).items()}
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
        sign = -1 if isinstance(node.op, ast.Sub) else 1
        total = dict(_expand(node.left, text))
        for powers, c in _expand(node.right, text).items():
            total[powers] = total.get(powers, 0) + sign * c
        return total
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return _product(_expand(node.left, text), _expand(node.right, text))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        exponent = node.right
        if isinstance(exponent, ast.Constant) and type(exponent.value) is int and 1 <= exponent.value <= 8:
            power = base = _expand(node.left, text)
            for _ in range(exponent.value - 1):
                power = _product(power, base)
            return power
        raise RuleError(f"rule {text!r}: powers are whole numbers in 1 .. 8")
    raise RuleError(
        f"rule {text!r}: {ast.unparse(node)!r} is not allowed; use integers, {', '.join(_FACTORS)}, +, -, *, ** and "
        f"parentheses"
    )


def _product(left: Polynomial, right: Polynomial) -> Polynomial:
    total: Polynomial = {}
    for (x, y, r), c in left.items():
        for (x2, y2, r2), c2 in right.items():
            powers = (max(x, x2), max(y, y2), r + r2)  # a spike is 0 or 1: x0 * x0 = x0
            total[powers] = total.get(powers, 0) + c * c2
    return total


def _term_text(powers: tuple[int, int, int], coefficient: int) -> str:
    factors = [name for name, power in zip(_FACTORS, powers, strict=True) for _ in range(power)]
    return "*".join([str(coefficient), *factors])


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

    Raises
    ------
    WeightError
        For weights that synapses cannot hold.
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
    ) -> None:
        self.name, self.rule, self.chip_order = name, rule, chip_order
        shape = np.shape(weights)
        if len(shape) != 2 or 0 in shape:
            raise InputError(f"{name} has shape {shape}, but must be a matrix (pre, post) with at least one synapse")
        self.shape = (int(shape[0]), int(shape[1]))
        checked = check_plastic_weights(weights, self.shape, name)
        self.mirrors = (
            DenseProjection(name, "s", "post", name),
            *(DenseProjection(m.name, m.pre, m.post, name, m.transposed, m.sign) for m in mirrors),
        )
        self.sizes = self._sizes()
        self.posts = tuple(dict.fromkeys(m.post for m in self.mirrors))
        ends = [m.pre for m in self.mirrors] + [m.post for m in self.mirrors if rule is not None]
        #: Populations whose spikes are needed.
        self.populations = tuple(dict.fromkeys(ends))
        self.projections: dict[str, Int16Array] = {
            m.name: allocate((self.sizes[m.pre], self.sizes[m.post]), np.int16) if storage is None else storage[m.name]
            for m in self.mirrors
        }
        self._sums = {post: allocate(self.sizes[post], np.int32) for post in self.posts}
        self.counters = allocate(4, np.int64)
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

    # -------------------------------------------------------------- weights

    def write_weights(self, weights: Any) -> None:
        """Set the matrix and every mirror of it.

        Raises
        ------
        WeightError
            For a wrong shape, or values that synapses cannot hold; nothing is changed then.
        """
        self._write(check_plastic_weights(weights, self.shape, self.name))

    def _write(self, matrix: Int16Array) -> None:
        for m in self.mirrors:
            self.projections[m.name][...] = m.copy_of(matrix)

    def read_weights(self) -> Int16Array:
        """A copy of the matrix."""
        return self.projections[self.name].copy()

    def check_mirrors(self) -> None:
        """Raise MirrorError if a mirror differs from the matrix.

        In the middle of an algorithm that changes them in different steps they may; nBP has
        them equal at the end of every sample.
        """
        for m in self.mirrors[1:]:
            held, wanted = self.projections[m.name], m.copy_of(self.projections[self.name])
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
        """Forget spikes under way; the weights stay."""
        for sums in self._sums.values():
            sums[...] = 0

    def weighted_sums(self, post: str) -> NDArray[np.int32]:
        """Input, in weight units, that the last step's spikes bring a population in this step."""
        return self._sums[post]

    def step(self, spikes: Mapping[str, NDArray[np.bool_]], r: int = 0) -> None:
        """Take this step's spikes of all `populations`, and the third factor: learn and send."""
        active = {name: np.flatnonzero(s) for name, s in spikes.items()}
        coefficients = self.rule.coefficients(r) if self.rule is not None else None
        self.reset()
        for m in self.mirrors:
            W, rows = self.projections[m.name], active[m.pre]
            if coefficients is not None and not self.chip_order:
                self.counters[UPDATES] += _learn(W, rows, active[m.post], coefficients)
            if len(rows):
                self._sums[m.post] += np.add.reduce(W[rows], axis=0, dtype=np.int32)
                self.counters[EVENTS] += len(rows) * W.shape[1]
            if coefficients is not None and self.chip_order:
                self.counters[UPDATES] += _learn(W, rows, active[m.post], coefficients)


def _learn(
    W: Int16Array, rows: NDArray[np.int64], columns: NDArray[np.int64], coefficients: tuple[int, int, int]
) -> int:
    """Apply dw = a x0 + b y0 + c x0 y0, and return how many synapses were asked to change."""
    a, b, c = coefficients
    if not a and not b:
        if not c or not len(rows) or not len(columns):
            return 0
        both = np.ix_(rows, columns)
        W[both] = saturate(W[both] + np.int64(c), PLASTIC_WEIGHT_MAX)
        return len(rows) * len(columns)
    change = np.zeros(W.shape, dtype=np.int64)
    change[rows] += a
    change[:, columns] += b
    change[np.ix_(rows, columns)] += c
    W[...] = saturate(W + change, PLASTIC_WEIGHT_MAX)
    return int(np.count_nonzero(change))
