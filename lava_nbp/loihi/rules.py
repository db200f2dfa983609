"""A circuit's learning rule in the symbols of Loihi's learning engine, for the chip and for Lava's simulator of it.

There x0 and y0 are the spikes of the pre- and the postsynaptic neuron, and y3 is a trace that `PlasticLIF` sets to the
third factor r, 0 or 1. A rule is a sum of products, each an integer of few bits times a power of two, times symbols.

Lava's engine keeps 7 bits below a weight, adds one product after the other, and cuts the sum to
-(2**15 + 1) .. 2**15 - 1, that is to -256 - 1/128 .. 256 - 1/128, after each. What is left below a whole weight is
rounded at random. So a plain sum lets weights reach -256, and leaves them 1/128 short of a whole one where it cuts.

The rule for the simulator makes every cut fall on a whole weight, and on both sides alike: take 1/128 away, so that
the cuts are at +-256; add the change *and 2 more* in its direction, so that what ends beyond +-254 is cut at +-256;
take the 2 back; add 1/128. That is saturation at +-254 exactly, if a synapse takes part in one change per step only. So
each combination of spikes and third factor in which the rule changes something has products of its own: y0 - 1 is -1
where y0 is silent and 0 where it fires, and so are x0 - 1 and y3 - 1. A change of more bits than a factor has is
several products of one sign, between which a cut does no harm.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lava_nbp.base.widths import PLASTIC_WEIGHT_MAX
from lava_nbp.errors import RuleError
from lava_nbp.nbp.rule import ThreeFactorRule

#: The engine's sum ends at +-256, so this much is added to a change and taken back.
_BEYOND = 256 - PLASTIC_WEIGHT_MAX
#: From one limit to the other.
_CHANGE_MAX = 2 * PLASTIC_WEIGHT_MAX
#: Largest integer before a power of two, and largest product: one of 256 would be cut itself [LV].
_FACTOR_MAX, _PRODUCT_MAX = 7, 7 << 5
#: Combinations of spikes: x0, y0, the symbols that are +-1 there and 0 in the others, and which of both it is.
_SPIKES = ((1, 1, "x0*y0", 1), (1, 0, "x0*(y0-1)", -1), (0, 1, "y0*(x0-1)", -1))
#: A term of a sum: its sign, and its text without one.
_Term = tuple[int, str]


def chip_rule(rule: ThreeFactorRule) -> str:
    """The rule for the chip: multiplied out, as the authors of nBP ran theirs on Loihi ("4*y3*x0*y0 - 2*x0*y0").

    Where a weight comes near its limit the engine's cuts show: it ends at -256 instead of -254, and up to as much
    short of the limit as the later products take back.

    Raises
    ------
    RuleError
        For a rule that changes nothing, or a weight by more than there is between its limits.
    """
    _check(rule)
    terms: list[_Term] = []
    without, with_r = rule.coefficients(0), rule.coefficients(1)
    for symbols, at_0, at_1 in zip(("x0", "y0", "x0*y0"), without, with_r, strict=True):
        terms += _terms(at_1 - at_0, f"y3*{symbols}")
        terms += _terms(at_0, symbols)
    return _sum(terms)


def simulated_rule(rule: ThreeFactorRule) -> str:
    """The rule for Lava's simulator, whose weights then saturate at exactly +-254; see the module.

    Raises
    ------
    RuleError
        As `chip_rule`.
    """
    _check(rule)
    active = [case for case in _SPIKES if any(rule.change(case[0], case[1], r) for r in (0, 1))]
    offsets = [(sign, f"2^-7*{symbols}") for _, _, symbols, sign in active]
    forth: list[_Term] = []
    back: list[_Term] = []
    for x0, y0, symbols, sign in active:
        for gate, change in _by_third_factor(rule, x0, y0):
            direction = (change > 0) - (change < 0)
            forth += _terms(sign * (change + direction * _BEYOND), symbols + gate)
            back += _terms(-sign * direction * _BEYOND, symbols + gate)
    return _sum([*((-sign, text) for sign, text in offsets), *forth, *back, *offsets])


def _check(rule: ThreeFactorRule) -> None:
    changes = {(x0, y0, r): rule.change(x0, y0, r) for x0, y0, _, _ in _SPIKES for r in (0, 1)}
    if not any(changes.values()):
        raise RuleError(f"rule {rule.dw!r} changes no weight while r is 0 or 1; leave the rule out")
    for (x0, y0, r), change in changes.items():
        if abs(change) > _CHANGE_MAX:
            raise RuleError(
                f"rule {rule.dw!r} changes a weight by {change} where x0 = {x0}, y0 = {y0} and r = {r}, but a learning "
                f"engine has no such products, and from limit to limit it is {_CHANGE_MAX}; use that at most"
            )


def _by_third_factor(rule: ThreeFactorRule, x0: int, y0: int) -> Iterator[tuple[str, int]]:
    """Symbols of the third factor, and what a weight changes by times what they are worth, for one kind of spikes."""
    at_0, at_1 = (rule.change(x0, y0, r) for r in (0, 1))
    if at_0 == at_1:
        yield "", at_0
        return
    if at_1:
        yield "*y3", at_1
    if at_0:
        yield "*(y3-1)", -at_0


def _terms(value: int, symbols: str) -> list[_Term]:
    """A multiple of some symbols as products that the engine can hold."""
    found = []
    sign, left = (1 if value > 0 else -1), abs(value)
    while left:
        shift = max(left.bit_length() - _FACTOR_MAX.bit_length(), 0)
        part = min(left >> shift << shift, _PRODUCT_MAX)
        found.append((sign, f"{part}*{symbols}"))
        left -= part
    return found


def _sum(terms: Iterable[_Term]) -> str:
    text = " ".join(f"{'+' if sign > 0 else '-'} {term}" for sign, term in terms)
    return text.removeprefix("+ ") if text.startswith("+") else text.replace("- ", "-", 1)
