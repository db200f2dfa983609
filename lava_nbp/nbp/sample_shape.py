"""The shape of a per-sample form that the compiled engine has: three layers, backpropagation of the error's sign.

    h = W1 x > fire_h;  o = W2 h > fire_o;  d = a table of t, o and two further thresholds of W2 h
    W2 += grow2 where d = 1, shrink2 where d = -1;  e = sign(W2 d) inside a box of W1 x
    W1 += grow1 where e = 1, shrink1 where e = -1

Names, phases, firing points, step sizes and the order of learning are the circuit's own.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lava_nbp.base.targets import spike_by_spike
from lava_nbp.errors import CircuitError
from lava_nbp.nbp.circuit import Circuit
from lava_nbp.nbp.form import Above, Given, SampleForm, Term, sample_form
from lava_nbp.nbp.sample_kernels import Closed, Numbers

#: No sum reaches it.
_NEVER = 2**31 - 1


@dataclass(frozen=True)
class SampleShape:
    """What the compiled engine needs of a circuit.

    Attributes
    ----------
    W1, W2 : str
        Names of the matrices.
    input, target : int
        Places of their sources in `circuit.sources`; target is -1 in a circuit that does not learn.
    numbers, closed
        See `lava_nbp.nbp.sample_kernels`.
    """

    W1: str
    W2: str
    input: int
    target: int
    numbers: Numbers
    closed: Closed


@lru_cache(maxsize=64)
def sample_shape(circuit: Circuit) -> SampleShape:
    """Find the shape in a circuit's per-sample form.

    Raises
    ------
    CircuitError
        With the reason, if the circuit has no per-sample form, or one of another shape.
    """
    return _Match(sample_form(circuit)).shape()


class _Match:
    def __init__(self, form: SampleForm) -> None:
        self.form, self.circuit = form, form.circuit

    def need(self, holds: bool, what: str) -> None:
        if not holds:
            raise CircuitError(
                f"circuit {self.circuit.name!r}: the per-sample engine compiles backpropagation through three layers, "
                f"but {what}; run it spike by spike ({spike_by_spike('nbp')}), or per sample in NumPy"
            )

    def shape(self) -> SampleShape:
        form = self.form
        self.need(len(form.layers) == 3, f"this circuit has {len(form.layers)}")
        self.x, self.h, self.o = form.layers
        self.need(self.o == form.answer, "its output answers with something else than its first spikes")
        given = form.signals[self.x]
        self.need(isinstance(given, Given), f"{self.circuit.forward[0]!r} is no source's population")
        self.W1 = self._forward(self.h, self.x)
        self.W2 = self._forward(self.o, self.h)
        sources = [s.name for s in self.circuit.sources]
        names = [signal.source for signal in form.signals if isinstance(signal, Given)]
        self.need(set(names) == set(sources), "a source brings nothing")
        assert isinstance(given, Given)
        at = sources.index(given.source)
        learning = self.circuit.learning
        self.need(len(sources) == 1 + learning, f"its sources are {', '.join(sources)}")
        numbers = self._numbers(1 - at) if learning else self._fixed()
        return SampleShape(self.W1, self.W2, at, 1 - at if learning else -1, numbers, self._closed())

    def _forward(self, signal: int, before: int) -> str:
        """The matrix by which a layer fires."""
        found = self.form.above(signal)
        term = found.terms[0] if found is not None and len(found.terms) == 1 else None
        self.need(
            term is not None and not term.transposed and term.sign == 1 and term.signal == before and not term.updates,
            "a layer is not the layer before it times one matrix",
        )
        assert term is not None
        return term.matrix

    def _above(self, signal: int) -> Above:
        found = self.form.above(signal)
        assert found is not None
        return found

    def _family(self, signal: int) -> dict[int, int]:
        """Firing points, by signal, of all that fire by the same sum as a layer does."""
        terms = self._above(signal).terms
        return {k: s.above for k, s in enumerate(self.form.signals) if isinstance(s, Above) and s.terms == terms}

    def _reached(self, signal: int) -> int:
        """Populations that fire by the sum of a layer: each leaves the register where the sum does."""
        return len(self._family(signal))

    def _fixed(self) -> Numbers:
        fire_h, fire_o = self._above(self.h).above, self._above(self.o).above
        return Numbers(
            fire_h, 0, 0, fire_o, fire_o, fire_o, np.zeros(16, np.int8), 0, 0, 0, 0,
            self._reached(self.h), self._reached(self.o), False,
        )  # fmt: skip

    # --------------------------------------------------------------- learning

    def _numbers(self, target: int) -> Numbers:
        self.pos2, self.neg2 = self._updates(self.W2, self.h)
        self.pos1, self.neg1 = self._updates(self.W1, self.x)
        updates = self.form.updates
        self.d_pos, self.d_neg = updates[self.pos2].post, updates[self.neg2].post
        self.e_pos, self.e_neg = updates[self.pos1].post, updates[self.neg1].post
        low_o, high_o, error = self._error(target)
        box_low, box_high, updated = self._box()
        return Numbers(
            fire_h=self._above(self.h).above,
            box_low=box_low,
            box_high=box_high,
            fire_o=self._above(self.o).above,
            low_o=low_o,
            high_o=high_o,
            error=error,
            grow1=updates[self.pos1].change,
            shrink1=updates[self.neg1].change,
            grow2=updates[self.pos2].change,
            shrink2=updates[self.neg2].change,
            copies_h=self._reached(self.h),
            copies_o=self._reached(self.o),
            updated=updated,
        )

    def _updates(self, matrix: str, pre: int) -> tuple[int, int]:
        """The update that potentiates a matrix, and the one that depresses it."""
        found = [(k, u) for k, u in enumerate(self.form.updates) if u.matrix == matrix]
        self.need(
            len(found) == 2 and all(u.pre == pre for _, u in found) and found[0][1].change * found[1][1].change < 0,
            f"{matrix} does not learn twice a sample, once up and once down, from the layer before it",
        )
        (a, first), (b, _) = found
        return (a, b) if first.change > 0 else (b, a)

    def _error(self, target: int) -> tuple[int, int, np.ndarray[tuple[int], np.dtype[np.int8]]]:
        """Two further firing points of the output, and the output error by what fires."""
        form, family = self.form, self._family(self.o)
        name = self.circuit.sources[target].name
        t = next(k for k, s in enumerate(form.signals) if s == Given(name))
        leaves = {*form.leaves(self.d_pos), *form.leaves(self.d_neg)}
        self.need(leaves <= {t, *family}, "its output error depends on more than target and output")
        self.need(form.disjoint(self.d_pos, self.d_neg), "its output error can be positive and negative at once")
        points = sorted(set(family.values()) - {family[self.o]})
        self.need(len(points) <= 2, f"its output has {len(points) + 1} firing points")
        low, high = (*points, family[self.o], family[self.o])[:2]
        error = np.zeros(16, np.int8)
        for entry, (b_high, b_low, b_o, b_t) in enumerate(itertools.product((False, True), repeat=4)):
            # An output that fires without reason (a fault) is above its lower firing point, too: d counts it as wrong.
            fires = {low: b_low or (b_o and low < family[self.o]), high: b_high, family[self.o]: b_o}
            known = {t: b_t, **{k: fires[above] for k, above in family.items()}}
            error[entry] = int(form.value(self.d_pos, known)) - int(form.value(self.d_neg, known))
        return low, high, error

    def _box(self) -> tuple[int, int, bool]:
        """Where the hidden layer learns, and whether its error is that of the W2 just updated."""
        back_pos, updated = self._back(self.e_pos, (self.d_pos, self.pos2), (self.d_neg, self.neg2))
        back_neg, also = self._back(self.e_neg, (self.d_neg, self.neg2), (self.d_pos, self.pos2))
        self.need(updated == also, "the two signs of its hidden error see different weights")
        family = self._family(self.h)
        edges = sorted(set(family.values()))
        inside = []
        for region in range(len(edges) + 1):
            fires = {k: above in edges[:region] for k, above in family.items()}
            values = [
                self.form.value(e, {b: True, **fires}) for e, b in ((self.e_pos, back_pos), (self.e_neg, back_neg))
            ]
            silent = [
                self.form.value(e, {b: False, **fires}) for e, b in ((self.e_pos, back_pos), (self.e_neg, back_neg))
            ]
            self.need(values[0] == values[1] and not any(silent), "its hidden errors are no product of error and box")
            inside.append(values[0])
        runs = [k for k in range(len(inside)) if inside[k] and not (k and inside[k - 1])]
        self.need(len(runs) == 1, "the derivative of its hidden layer is no single box")
        bounds = [-_NEVER, *edges, _NEVER]
        first = runs[0]
        last = first
        while last + 1 < len(inside) and inside[last + 1]:
            last += 1
        return bounds[first], bounds[last + 1], updated

    def _back(self, e: int, up: tuple[int, int], down: tuple[int, int]) -> tuple[int, bool]:
        """The signal W2^T d > 0 behind a hidden error, and whether it sees the sample's updates."""
        family = self._family(self.h)
        others = [leaf for leaf in self.form.leaves(e) if leaf not in family]
        found = self.form.above(others[0]) if len(others) == 1 else None
        self.need(found is not None, "its hidden error is more than an error that comes back and the hidden layer")
        assert found is not None
        terms = {(t.matrix, t.transposed, t.sign, t.signal): t for t in found.terms}
        wanted = [(self.W2, True, 1, up[0]), (self.W2, True, -1, down[0])]
        self.need(found.above == 0 and sorted(terms) == sorted(wanted), f"no {self.W2}^T d > 0 comes back")
        seen = [own in terms[key].updates for key, own in zip(wanted, (up[1], down[1]), strict=True)]
        self.need(seen[0] == seen[1], "the error that comes back sees weights before and after their update")
        return others[0], seen[0]

    # --------------------------------------------------------- closed gates

    def _closed(self) -> Closed:
        """Dense sums that reach closed populations, by kind, version and limit."""
        output: Counter[tuple[int, int, int]] = Counter()
        hidden: Counter[tuple[int, int]] = Counter()
        backward: Counter[int] = Counter()
        kinds = {self.h: 0, self.e_pos: 1, self.e_neg: 2} if self.circuit.learning else {self.h: 0}
        for c in self.form.closed:
            (term, *more) = c.terms
            where = f"{c.population!r} gets dense input in phase {c.phase} that the engine does not follow"
            self.need(not more and term.sign == 1, where)
            if term.matrix == self.W2 and not term.transposed and term.signal in kinds:
                output[kinds[term.signal], self._version(term, where), c.limit] += 1
            elif term.matrix == self.W1 and not term.transposed and term.signal == self.x:
                hidden[self._version(term, where), c.limit] += 1
            else:
                known = term.matrix == self.W2 and term.transposed and term.signal == self.o and not term.updates
                self.need(known, where)
                backward[c.limit] += 1
        least = (
            min((limit for kind, _, limit in output if kind == 0), default=_NEVER),
            min((limit for kind, _, limit in output if kind), default=_NEVER),
            min((limit for _, limit in hidden), default=_NEVER),
            min(backward, default=_NEVER),
        )
        rows = np.array(sorted((*key, n) for key, n in output.items()), np.int64).reshape(-1, 4)
        rows_h = np.array(sorted((*key, n) for key, n in hidden.items()), np.int64).reshape(-1, 3)
        rows_b = np.array(sorted(backward.items()), np.int64).reshape(-1, 2)
        columns = (*rows.T, *rows_h.T, *rows_b.T, np.array(least, np.int64))
        return Closed(*(np.ascontiguousarray(column) for column in columns))

    def _version(self, term: Term, where: str) -> int:
        if not term.updates:
            return 0
        pos, neg = (self.pos2, self.neg2) if term.matrix == self.W2 else (self.pos1, self.neg1)
        done = set(term.updates)
        self.need(pos in done and done <= {pos, neg}, where)
        return len(done)
