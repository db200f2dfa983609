"""Three-factor learning rules as data: what a plastic synapse changes by.

Evaluated in every step on the spikes of that step at both ends of the synapse, and on a third factor. The rule of the
paper (Renner et al. 2024, Methods), with the global third factor r::

    dw = 4 * r * x0 * y0 - 2 * x0 * y0

x0 and y0 are the spikes of the pre- and the postsynaptic neuron: where both fire in one step, w grows by 2 while
r = 1 and shrinks by 2 while r = 0, saturating at +-254. The form, a sum of products, is that of the chip's rules
(Davies et al. 2018).
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property

from lava_nbp.base.checks import shown
from lava_nbp.base.fields import settle
from lava_nbp.base.widths import WEIGHT_STEP
from lava_nbp.errors import RuleError, unknown_name

#: The rule of the paper: +2 where both fire while r = 1, -2 while r = 0.
PAPER_RULE = "4*r*x0*y0 - 2*x0*y0"
_FACTORS = ("x0", "y0", "r")
#: Characters of a rule, the largest coefficient, and the highest power of r, once it is multiplied out.
_LONGEST, _LARGEST, _HIGHEST = 1000, 2**16, 16
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
        settle(self, "rule", RuleError)
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
    if len(text) > _LONGEST:
        raise RuleError(f"rule {shown(text)} has {len(text)} characters, but the limit is {_LONGEST}; multiply it out")
    try:
        expanded = _expand(ast.parse(text, mode="eval").body, text)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:  # the last two: too many parentheses
        if isinstance(error, RuleError):
            raise
        raise RuleError(f"rule {text!r} cannot be read; write for instance {PAPER_RULE!r}") from None
    polynomial = {powers: c for powers, c in expanded.items() if c}
    for (_, _, power), c in polynomial.items():
        if abs(c) > _LARGEST or power > _HIGHEST:
            raise RuleError(
                f"rule {text!r}: multiplied out it has a coefficient of {shown(c)} and r to the power of {power}, but "
                f"the limits are {_LARGEST} and {_HIGHEST}; weights have 8 bits, so scale it"
            )
    if not polynomial:
        raise RuleError(f"rule {text!r} never changes a weight; use a fixed connection, that is rule=None")
    return polynomial


def _expand(node: ast.expr, text: str) -> Polynomial:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return {(0, 0, 0): node.value}
    if isinstance(node, ast.Constant):
        raise RuleError(
            f"rule {text!r}: {shown(node.value)} is not an integer, but weights change by integers; scale it"
        )
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
    if max(r for *_, r in left) + max(r for *_, r in right) > _HIGHEST:
        raise RuleError(f"a rule has r to a power of more than {_HIGHEST}; r is 0 or 1 in circuits: use r itself")
    for (x, y, r), c in left.items():
        for (x2, y2, r2), c2 in right.items():
            powers = (max(x, x2), max(y, y2), r + r2)  # a spike is 0 or 1: x0 * x0 = x0
            total[powers] = total.get(powers, 0) + c * c2
    return total


def _term_text(powers: tuple[int, int, int], coefficient: int) -> str:
    factors = [name for name, power in zip(_FACTORS, powers, strict=True) for _ in range(power)]
    return "*".join([str(coefficient), *factors])
