"""Writes programs: operations one by one, and what branches and loops are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from lava_nbp.loihi.programs.machine import Instruction, Operand, Program, Word


class Writer:
    """A program as it is written.

    Parameters
    ----------
    name : str
        Of the program.
    ports, axons : sequence of str
        Where spikes come in, and go out.
    """

    def __init__(self, name: str, ports: Sequence[str], axons: Sequence[str]) -> None:
        self._name, self._ports, self._axons = name, tuple(ports), tuple(axons)
        self._state: list[Word] = []
        self._code: list[Instruction] = []
        self._labels: dict[str, int] = {}
        self._used = 0

    def program(self) -> Program:
        """What was written."""
        return Program(self._name, tuple(self._state), self._ports, self._axons, tuple(self._code), dict(self._labels))

    @property
    def words(self) -> tuple[Word, ...]:
        """Those that outlast the step."""
        return tuple(self._state)

    def state(self, name: str, meaning: str, initial: int = 0) -> str:
        """A word that outlasts the step."""
        self._state.append(Word(name, meaning, initial))
        return name

    def _write(self, operation: str, *operands: Operand, out: str = "", to: str = "") -> None:
        self._code.append(Instruction(operation, operands, out, to))

    # -------------------------------------------------------------- operations

    def mov(self, out: str, a: Operand) -> None:
        """out = a."""
        self._write("MOV", a, out=out)

    def add(self, out: str, a: Operand, b: Operand) -> None:
        """out = a + b."""
        self._write("ADD", a, b, out=out)

    def neg(self, out: str, a: Operand) -> None:
        """out = -a."""
        self._write("NEG", a, out=out)

    def sub(self, out: str, a: Operand, b: str) -> None:
        """out = a - b."""
        self.neg("minus", b)
        self.add(out, a, "minus")

    def least(self, out: str, a: Operand, b: Operand) -> None:
        """out = the smaller one."""
        self._write("MIN", a, b, out=out)

    def bits(self, out: str, a: Operand, mask: Operand) -> None:
        """out = a & mask."""
        self._write("AND", a, mask, out=out)

    def shl(self, out: str, a: Operand, n: int) -> None:
        """out = a * 2**n."""
        self._write("SHL", a, n, out=out)

    def shr(self, out: str, a: Operand, n: int) -> None:
        """out = a / 2**n, rounded down."""
        self._write("MUL_SHR", a, 1, n, out=out)

    def mul(self, out: str, a: Operand, b: Operand, n: int = 0) -> None:
        """out = a b / 2**n, rounded down."""
        self._write("MUL_SHR", a, b, n, out=out)

    def spike(self, axon: str, payload: Operand) -> None:
        """Send a graded spike; a payload of 0 is none."""
        with self.if_not_equal(payload, 0):
            self._write("SPIKE", payload, to=axon)

    # ----------------------------------------------------------------- branches

    def label(self) -> str:
        """A new label, to be put somewhere."""
        self._used += 1
        return f"L{self._used}"

    def put(self, label: str) -> None:
        """The label stands before what is written next."""
        self._labels[label] = len(self._code)

    def jump(self, label: str) -> None:
        """Go on at a label."""
        self._write("JMP", to=label)

    def jump_if(self, compare: str, a: Operand, b: Operand, label: str) -> None:
        """Go on at a label if a comparison holds: "LT", "GE" or "EQ"."""
        self._write(compare, a, b)
        self._write("JMP_C", to=label)

    @contextmanager
    def _unless(self, *comparisons: tuple[str, Operand, Operand]) -> Iterator[None]:
        behind = self.label()
        for compare, a, b in comparisons:
            self.jump_if(compare, a, b, behind)
        yield
        self.put(behind)

    def if_less(self, a: Operand, b: Operand) -> AbstractContextManager[None]:
        """What is written within runs if a < b."""
        return self._unless(("GE", a, b))

    def if_least(self, a: Operand, b: Operand) -> AbstractContextManager[None]:
        """What is written within runs if a >= b."""
        return self._unless(("LT", a, b))

    def if_equal(self, a: Operand, b: Operand) -> AbstractContextManager[None]:
        """What is written within runs if a = b."""
        return self._unless(("LT", a, b), ("LT", b, a))

    def if_not_equal(self, a: Operand, b: Operand) -> AbstractContextManager[None]:
        """What is written within runs if a and b differ."""
        return self._unless(("EQ", a, b))

    @contextmanager
    def either(self, compare: str, a: Operand, b: Operand) -> Iterator[_Else]:
        """What is written within runs if a comparison does not hold; behind `otherwise()`, if it does."""
        branch = _Else(self, self.label(), self.label())
        self.jump_if(compare, a, b, branch.holds)
        yield branch
        self.put(branch.behind)

    @contextmanager
    def repeat(self, counter: str, n: int) -> Iterator[None]:
        """What is written within runs n times."""
        self.mov(counter, n)
        again = self.label()
        self.put(again)
        yield
        self.add(counter, counter, -1)
        self.jump_if("LT", 0, counter, again)


class _Else:
    """The other branch of `Writer.either`."""

    def __init__(self, writer: Writer, holds: str, behind: str) -> None:
        self._writer, self.holds, self.behind = writer, holds, behind

    def otherwise(self) -> None:
        """From here on what runs if the comparison holds."""
        self._writer.jump(self.behind)
        self._writer.put(self.holds)
