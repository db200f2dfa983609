"""The machine that neuron programs are written for: words, operations, and what a program is.

Loihi 2's neurons are programs. Published is which operations there are [O21], not how they are encoded; so programs
are data here, and whoever has the assembler writes them down in its language, line by line.

===========  ====================================================================================
operation    what it does
===========  ====================================================================================
MOV          out = a
ADD          out = a + b
NEG          out = -a
MIN          out = the smaller of a and b
AND          out = a & b, bit by bit, of two's complements
SHL          out = a * 2**b
MUL_SHR      out = (a * b) / 2**c, rounded down; the product has as many bits as it needs
LT, GE, EQ   the flag is a < b, a >= b, a = b
JMP          go on at a label
JMP_C        go on at a label if the flag is set
SPIKE        send a, as the payload of a graded spike, by an axon
===========  ====================================================================================

[O21] lists reads and writes of a neuron's memory as operations of their own; here an operand names a word of the
memory, a register or a constant. Every word has 24 bits with its sign, as Loihi's states have: a result that does not
fit is a mistake in a program, and none of these relies on what a chip would do with it. No address is computed: which
word an operation means is written in the program.

Sources
-------
[O21] Orchard et al., "Efficient neuromorphic signal processing with Loihi 2", IEEE Workshop on Signal Processing
      Systems (2021): its table of a neuron program's operations.
[L2]  Intel, "Taking neuromorphic computing to the next level with Loihi 2", technology brief (2021): programs, graded
      spikes, and a memory that states of neurons share with synapses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lava_nbp.base.checks import shown
from lava_nbp.base.fields import settle
from lava_nbp.base.widths import STATE_BITS
from lava_nbp.errors import InputError

#: Largest and least number that a word holds.
WORD_MAX, WORD_MIN = (1 << (STATE_BITS - 1)) - 1, -(1 << (STATE_BITS - 1))
#: How many operands an operation has, and whether it has a result.
OPERATIONS: dict[str, tuple[int, bool]] = {
    "MOV": (1, True), "ADD": (2, True), "NEG": (1, True), "MIN": (2, True), "AND": (2, True), "SHL": (2, True),
    "MUL_SHR": (3, True), "LT": (2, False), "GE": (2, False), "EQ": (2, False), "JMP": (0, False), "JMP_C": (0, False),
    "SPIKE": (1, False),
}  # fmt: skip
#: Of a word of the memory or a register by its name, or a constant.
Operand = str | int


@dataclass(frozen=True)
class Instruction:
    """One operation.

    Attributes
    ----------
    operation : str
        A name in `OPERATIONS`.
    operands : tuple of str or int
        Words by their names, or constants.
    out : str
        Word that gets the result; "": there is none.
    to : str
        Label of a jump, or axon of a spike; "": neither.
    """

    operation: str
    operands: tuple[Operand, ...] = ()
    out: str = ""
    to: str = ""

    def __str__(self) -> str:
        words = (self.operation, self.out, *map(str, self.operands), self.to)
        return " ".join(word for word in words if word)


@dataclass(frozen=True)
class Word:
    """A word of a neuron's memory that outlasts the step: its name, what is in it, and what it holds at first."""

    name: str
    meaning: str
    initial: int = 0


@dataclass(frozen=True)
class Program:
    """What a neuron does in every step of the chip, from the first instruction to the last.

    Attributes
    ----------
    name : str
    state : tuple of Word
        Words of memory per neuron.
    ports : tuple of str
        Where synapses lead to: words with what arrived in the step before, and 0 if nothing did.
    axons : tuple of str
        By which it sends spikes.
    code : tuple of Instruction
    labels : dict
        Of every label, the instruction that it stands before; len(code): the end.

    Raises
    ------
    InputError
        For an operation, a word, a label or an axon that there is not, or a constant that no word holds.
    """

    name: str
    state: tuple[Word, ...]
    ports: tuple[str, ...]
    axons: tuple[str, ...]
    code: tuple[Instruction, ...]
    labels: dict[str, int]

    def __post_init__(self) -> None:
        what = f"program {shown(self.name)}"
        settle(self, what, InputError)
        names = [word.name for word in self.state] + list(self.ports)
        if len(set(names)) < len(names):
            raise InputError(f"{what}: {shown(sorted(names))} are its words and ports, but each may be there once only")
        known = set(names)
        for at, one in enumerate(self.code):
            self._check(one, known, f"{what}, instruction {at}, {one}")
            known |= {one.out} - {""}

    def _check(self, one: Instruction, known: set[str], what: str) -> None:
        if one.operation not in OPERATIONS:
            raise InputError(f"{what}: there is no such operation; use one of {', '.join(OPERATIONS)}")
        operands, has_result = OPERATIONS[one.operation]
        if len(one.operands) != operands or bool(one.out) != has_result or one.out in self.ports:
            result = "a result, which is no port" if has_result else "no result"
            raise InputError(f"{what}: it must have {operands} operands and {result}")
        for operand in one.operands:
            if isinstance(operand, int) and not WORD_MIN <= operand <= WORD_MAX:
                raise InputError(f"{what}: {operand} is no number of {STATE_BITS} bits")
            if isinstance(operand, str) and operand not in known:
                raise InputError(f"{what}: nothing has been written to {shown(operand)} before")
        jumps, sends = one.operation.startswith("JMP"), one.operation == "SPIKE"
        there = self.labels if jumps else self.axons if sends else ("",)
        if one.to not in there:
            raise InputError(f"{what}: there is no {'label' if jumps else 'axon'} {shown(one.to)}")

    @property
    def registers(self) -> tuple[str, ...]:
        """Words that need not outlast the step."""
        kept = {word.name for word in self.state}
        return tuple(dict.fromkeys(one.out for one in self.code if one.out and one.out not in kept))

    @property
    def state_bits(self) -> int:
        """Memory of a neuron."""
        return STATE_BITS * len(self.state)

    def listing(self) -> str:
        """The program as text: its words, then an instruction a line."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"program {self.name}"
        for word in self.state:
            yield f"  state {word.name} = {word.initial}: {word.meaning}"
        for port in self.ports:
            yield f"  port {port}"
        for axon in self.axons:
            yield f"  axon {axon}"
        marks: dict[int, list[str]] = {}
        for label, at in self.labels.items():
            marks.setdefault(at, []).append(label)
        for at, one in enumerate((*self.code, None)):
            for label in marks.get(at, ()):
                yield f"{label}:"
            if one is not None:
                yield f"  {one}"
