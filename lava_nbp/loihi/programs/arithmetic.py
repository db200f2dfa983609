"""The integer arithmetic of EventProp in words of 24 bits: what the step functions of the clocked engine compute.

Products have 40 bits and sums of them more. So a product is held as two words, high * 2**bits + low, sums saturate
where the engine's do, and a quotient is found bit by bit. Every function here writes what one expression of
`lava_nbp.eventprop.clocked.arithmetic` means; tests prove them equal to it, at the ends of all ranges.
"""

from __future__ import annotations

from collections.abc import Sequence

from lava_nbp.base.widths import STATE_BITS
from lava_nbp.eventprop.clocked.arithmetic import CHIP_DECAY_BITS, REGISTER_MAX
from lava_nbp.loihi.programs.machine import WORD_MIN, Operand
from lava_nbp.loihi.programs.writer import Writer

#: Most fractional bits of a coefficient: the low words of two products then fit a word together.
MOST_COEFFICIENT_BITS = 16
#: Bits of a word without its sign, and of the low part of a product before its carry.
_BITS, _LOW_BITS = STATE_BITS - 1, STATE_BITS - 3


def saturated_sum(w: Writer, out: str, a: str, b: Operand, counter: str = "") -> None:
    """out = a + b, saturated to 24 bits; the counter counts if it was. Neither may be -2**23."""
    with w.either("GE", b, 0) as sign:
        w.neg("room", b)
        w.add("room", "room", -REGISTER_MAX)  # the least a that fits
        with w.either("GE", a, "room") as fits:
            w.mov(out, -REGISTER_MAX)
            _count(w, counter)
            fits.otherwise()
            w.add(out, a, b)
        sign.otherwise()
        w.neg("room", b)
        w.add("room", "room", REGISTER_MAX)  # the largest a that fits
        with w.either("GE", "room", a) as fits:
            w.mov(out, REGISTER_MAX)
            _count(w, counter)
            fits.otherwise()
            w.add(out, a, b)


def _count(w: Writer, counter: str) -> None:
    if counter:
        w.add(counter, counter, 1)


def wrapped_sum(w: Writer, out: str, a: str, b: str, counter: str, lost: str) -> None:
    """out = a + b, which wraps round at 24 bits as a chip's current does; counted. Neither may be -2**23.

    At 2**23 and -2**23 Lava's current is 2**23, which no word holds: the sum saturates there, and `lost` counts it.
    """
    with w.either("GE", b, 0) as sign:
        w.neg("room", b)
        w.add("room", "room", -REGISTER_MAX)
        with w.either("GE", a, "room") as fits:
            w.add("room", "room", -1)
            with w.either("EQ", a, "room") as edge:
                w.add("half", a, REGISTER_MAX)
                w.add("other", b, REGISTER_MAX)
                w.add(out, "half", "other")
                w.add(out, out, 2)
                w.add(counter, counter, 1)
                edge.otherwise()
                w.mov(out, -REGISTER_MAX)
                w.add(lost, lost, 1)
            fits.otherwise()
            w.add(out, a, b)
        sign.otherwise()
        w.neg("room", b)
        w.add("room", "room", REGISTER_MAX)
        with w.either("GE", "room", a) as fits:
            w.add("room", "room", 1)
            with w.either("EQ", a, "room") as edge:
                w.add("half", a, WORD_MIN)
                w.add("other", b, WORD_MIN)
                w.add(out, "half", "other")
                w.add(counter, counter, 1)
                edge.otherwise()
                w.mov(out, REGISTER_MAX)
                w.add(lost, lost, 1)
            fits.otherwise()
            w.add(out, a, b)


def decayed(w: Writer, out: str, a: str, kept: int) -> None:
    """out = a kept / 2**12, cut towards 0."""
    with w.either("GE", a, 0) as sign:
        w.neg("half", a)
        w.mul("half", "half", kept, CHIP_DECAY_BITS)
        w.neg(out, "half")
        sign.otherwise()
        w.mul(out, a, kept, CHIP_DECAY_BITS)


def product(w: Writer, high: str, low: str, a: str, factor: int, bits: int) -> None:
    """a * factor = high * 2**bits + low, low being 0 .. 2**bits - 1, for a factor of 0 .. 2**bits - 1.

    a is cut into two parts, a = upper 2**s + rest, so that rest * factor fits a word; of upper * factor, whose lowest
    bits alone count for low, these are the product of lowest bits.
    """
    s = min(_LOW_BITS - bits, bits)
    mask = (1 << (bits - s)) - 1
    w.shr("upper", a, s)
    w.bits("rest", a, (1 << s) - 1)
    w.mul(high, "upper", factor, bits - s)
    w.bits("upper", "upper", mask)
    w.mul("upper", "upper", factor & mask)
    w.bits("upper", "upper", mask)
    w.shl("upper", "upper", s)
    w.mul("rest", "rest", factor)
    w.add(low, "upper", "rest")
    w.shr("rest", low, bits)
    w.add(high, high, "rest")
    w.bits(low, low, (1 << bits) - 1)


def rounded_sum(
    w: Writer, out: str, first: tuple[str, int], second: tuple[str, int] | None, bits: int, counter: str = ""
) -> None:
    """out = the sum of word times factor, / 2**bits, rounded to the nearest (halves upward), and saturated."""
    product(w, "high", "low", *first, bits)
    w.add("low", "low", 1 << (bits - 1))
    if second is not None:
        product(w, "high2", "low2", *second, bits)
        w.add("low", "low", "low2")
    w.shr("low", "low", bits)
    w.add("high", "high", "low")  # a factor is less than 1: this fits
    if second is None:
        w.mov(out, "high")
    else:
        saturated_sum(w, out, "high", "high2", counter)


def jump(w: Writer, lV: str, error: str, divisor: str, theta_bits: int, counter: str) -> None:
    """lV = lV + ((lV + error) << theta_bits) // divisor, rounded down, and saturated; the divisor is 1 or more.

    A long division, bit by bit: of x = lV + error, which has 25 bits, first the 24 bits of its magnitude, then those
    that the shift brings. Below 0, the quotient of -1 - x, whose bits are the others, is -1 - the one that is wanted. A
    quotient beyond 24 bits is kept as half of it and its last bit, since lV may bring the sum back.
    """
    w.bits("odd", lV, 1)
    w.bits("half", error, 1)
    w.add("odd", "odd", "half")
    w.shr("x", lV, 1)
    w.shr("half", error, 1)
    w.add("x", "x", "half")
    w.shr("half", "odd", 1)
    w.add("x", "x", "half")
    w.bits("odd", "odd", 1)  # lV + error = 2 x + odd
    w.mov("filling", 0)
    with w.if_less("x", 0):
        w.mov("filling", 1)
        w.neg("x", "x")
        w.add("x", "x", -1)
        w.neg("odd", "odd")
        w.add("odd", "odd", 1)
    w.mov("remainder", 0)
    w.mov("quotient", 0)
    w.mov("large", 0)
    with w.repeat("turns", _BITS):
        w.shr("bit", "x", _BITS - 1)
        w.bits("x", "x", (1 << (_BITS - 1)) - 1)
        w.shl("x", "x", 1)
        _divide_bit(w, divisor)
    w.mov("bit", "odd")
    _divide_bit(w, divisor)
    w.mov("bit", "filling")
    if theta_bits > 1:
        with w.repeat("turns", theta_bits - 1):
            _divide_bit(w, divisor)
    w.mov("half", "quotient")
    w.mov("quotient", 0)
    _divide_bit(w, divisor)  # quotient = the last bit, half = all others
    with w.if_equal("large", 1):
        w.mov("half", REGISTER_MAX)
        w.mov("quotient", 1)
    w.mov("clipped_now", 0)
    with w.either("EQ", "filling", 0) as sign:
        w.neg("half", "half")
        w.neg("quotient", "quotient")
        w.add("quotient", "quotient", -1)
        sign.otherwise()
    for part in ("half", "half", "quotient"):
        saturated_sum(w, lV, lV, part, "clipped_now")
    w.least("clipped_now", "clipped_now", 1)
    w.add(counter, counter, "clipped_now")


def _divide_bit(w: Writer, divisor: str) -> None:
    """One bit of a long division: remainder = 2 remainder + bit; quotient = 2 quotient + whether it held the divisor.

    large: the quotient, without the bit that comes last, does not fit a word.
    """
    with w.if_least("quotient", 1 << (_BITS - 1)):
        w.mov("large", 1)
        w.mov("quotient", 0)
    w.shl("quotient", "quotient", 1)
    w.add("candidate", "remainder", "bit")
    w.sub("gap", divisor, "remainder")
    with w.either("GE", "candidate", "gap") as held:  # 2 remainder + bit >= divisor, in words that fit
        w.add("remainder", "remainder", "candidate")
        held.otherwise()
        w.sub("remainder", "candidate", "gap")
        w.add("quotient", "quotient", 1)


def limbs(theta_bits: int, exponent: int, n: int, largest: int) -> tuple[int, ...]:
    """Into which numbers of bits d is cut, the lowest first, so that sums of weighted pieces fit words.

    n weights of magnitudes up to `largest` * 2**exponent, whose exponent the neuron that is reached puts in, meet a
    piece each in a step. What is shifted away, theta_bits - exponent, ends with a piece.
    """
    width = _BITS - 1 - (n * largest).bit_length()
    dropped = min(max(theta_bits - exponent, 0), STATE_BITS - 1)
    found: list[int] = []
    for span in (dropped, STATE_BITS - dropped):
        parts = -(-span // width) if width > 0 else 0
        found += [span // parts + (k < span % parts) for k in range(parts)]
    return tuple(found)


def piece(w: Writer, out: str, d: str, widths: Sequence[int], k: int) -> None:
    """out = piece k of d; the last one has the sign."""
    below = sum(widths[:k])
    w.shr(out, d, below)
    if k < len(widths) - 1:
        w.bits(out, out, (1 << widths[k]) - 1)


def collect(w: Writer, port: str, widths: Sequence[int], k: int, dropped: int) -> None:
    """Take the weighted sum of pieces k, into the words piece<k> and carry; see `total`."""
    below = sum(widths[:k])
    w.add("sum", port, "carry")
    if below + widths[k] == dropped:
        w.add("sum", "sum", 1 << (widths[k] - 1))  # a half, for rounding
    if k == len(widths) - 1:
        w.mov(f"piece{k}", "sum")
        w.mov("carry", 0)
        return
    w.shr("carry", "sum", widths[k])
    if below >= dropped:
        w.bits(f"piece{k}", "sum", (1 << widths[k]) - 1)


def kept_pieces(widths: Sequence[int], dropped: int) -> list[int]:
    """Which pieces are kept until the sum is made."""
    return [k for k in range(len(widths)) if sum(widths[:k]) >= dropped]


def total(w: Writer, out: str, widths: Sequence[int], shift: int, counter: str) -> None:
    """out = (sum of weight times d) / 2**shift, rounded and saturated, from the pieces.

    Horner's rule, the highest piece first: all others are 0 or more and smaller than a unit of the one above, so that
    what has left the range does not come back.
    """
    done = w.label()
    *lower, top = kept_pieces(widths, max(shift, 0))
    w.mov(out, f"piece{top}")
    parts: list[tuple[str, int]] = [(f"piece{k}", widths[k]) for k in reversed(lower)]
    if shift < 0:
        parts.append(("", -shift))
    for word, bits in parts:
        with w.if_least(out, 1 << (_BITS - bits)):
            w.mov(out, REGISTER_MAX)
            w.add(counter, counter, 1)
            w.jump(done)
        with w.if_less(out, -1 << (_BITS - bits)):
            w.mov(out, -REGISTER_MAX)
            w.add(counter, counter, 1)
            w.jump(done)
        w.shl(out, out, bits)
        if word:
            w.add(out, out, word)
    with w.if_less(out, -REGISTER_MAX):
        w.mov(out, -REGISTER_MAX)
        w.add(counter, counter, 1)
    w.put(done)
