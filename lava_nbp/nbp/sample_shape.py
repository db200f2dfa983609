"""The shape of a per-sample form that the compiled engine has: layer after layer, learning by backpropagated errors.

    a(l) = W(l) h(l - 1);  h(l) = a(l) > fire;  d = a table of t, o and two further thresholds of the output's a
    e(L) = d;  e(l) = sign(W(l + 1) e(l + 1)) inside a box of a(l), where it is larger than noise that is drawn
    W(l) += grow where what l - 1 fires meets e(l) = 1, shrink where it meets -1: always, or where it is drawn

for any number of layers L of 2 or more behind the input. Hidden units may be dropped for a sample. Names, phases,
firing points, step sizes, noise and the order of learning are the circuit's own.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.targets import spike_by_spike
from lava_nbp.base.widths import PLASTIC_WEIGHT_MAX
from lava_nbp.errors import CircuitError
from lava_nbp.nbp.circuit import Circuit
from lava_nbp.nbp.draws import rounding_of
from lava_nbp.nbp.form import Above, Given, Noise, SampleForm, Term, sample_form
from lava_nbp.nbp.mask import Runs
from lava_nbp.nbp.sample_kernels import CLOSED, LAYER, Network

#: No sum reaches it.
_NEVER = 2**31 - 1
#: By what closed populations are reached: what a layer fires, its errors, the answer.
_REACHED = ("fired", "erred", "answered")


@dataclass(frozen=True)
class SampleShape:
    """What the compiled engine needs of a circuit.

    Attributes
    ----------
    matrices : tuple of str
        Their names, from the input to the output.
    input, target : int
        Places of their sources in `circuit.sources`; target is -1 in a circuit that does not learn.
    numbers : Network
        See `lava_nbp.nbp.sample_kernels`; without weights.
    """

    matrices: tuple[str, ...]
    input: int
    target: int
    numbers: Network


@lru_cache(maxsize=64)
def sample_shape(circuit: Circuit) -> SampleShape:
    """Find the shape in a circuit's per-sample form.

    Raises
    ------
    CircuitError
        With the reason, if the circuit has no per-sample form, or one of another shape.
    """
    return _Match(sample_form(circuit)).shape()


@dataclass(frozen=True)
class _Learns:
    """The two updates of a matrix, by their places in the form: where it grows, and where it shrinks."""

    pos: int
    neg: int


@dataclass(frozen=True)
class _Back:
    """The signal of an error that comes back, its noise, whether it sees the sample's updates, and who opens it.

    `opener`: a signal without which nothing comes back; None: the box is asked elsewhere.
    """

    signal: int
    noise: Noise | None
    updated: bool
    opener: int | None = None


class _Match:
    def __init__(self, form: SampleForm) -> None:
        self.form, self.circuit = form, form.circuit
        #: Signals of the error that comes back to a hidden layer, where it is positive and where it is negative.
        self.backs: dict[int, tuple[int, int]] = {}

    def need(self, holds: bool, what: str) -> None:
        if not holds:
            raise CircuitError(
                f"circuit {self.circuit.name!r}: the per-sample engine compiles backpropagation from layer to layer, "
                f"but {what}; run it spike by spike ({spike_by_spike('nbp')}), or per sample in NumPy"
            )

    def shape(self) -> SampleShape:
        form, layers = self.form, self.form.layers
        self.last = len(layers) - 1
        self.need(self.last > 1, "this circuit has no hidden layer")
        self.need(layers[-1] == form.answer, "its output answers with something else than its first spikes")
        given = form.signals[layers[0]]
        self.need(isinstance(given, Given), f"{self.circuit.forward[0]!r} is no source's population")
        self.matrices = ("", *(self._forward(k) for k in range(1, self.last + 1)))
        self.need(len(set(self.matrices)) == self.last + 1, "layers share a matrix")
        sources = [s.name for s in self.circuit.sources]
        names = [signal.source for signal in form.signals if isinstance(signal, Given)]
        self.need(set(names) == set(sources), "a source brings nothing")
        assert isinstance(given, Given)
        at = sources.index(given.source)
        learning = self.circuit.learning
        self.need(len(sources) == 1 + learning, f"its sources are {', '.join(sources)}")
        self.learns = [_Learns(-1, -1), *(self._updates(k) for k in range(1, self.last + 1))] if learning else []
        return SampleShape(self.matrices[1:], at, 1 - at if learning else -1, self._numbers(1 - at))

    def _forward(self, k: int) -> str:
        """The matrix by which a layer fires."""
        found = self.form.above(self.form.layers[k])
        term = found.terms[0] if found is not None and len(found.terms) == 1 else None
        before = self.form.layers[k - 1]
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

    def _family(self, k: int) -> dict[int, Above]:
        """All signals that fire by the same sum as a layer does."""
        terms = self._above(self.form.layers[k]).terms
        found = {j: s for j, s in enumerate(self.form.signals) if isinstance(s, Above) and s.terms == terms}
        self.need(all(s.noise is None for s in found.values()), "the firing points of a layer are noisy")
        return found

    # ---------------------------------------------------------------- numbers

    def _numbers(self, target: int) -> Network:
        form, learning, last = self.form, self.circuit.learning, self.last
        sizes = np.array(self.circuit.layers, np.int64)
        n = np.zeros(last + 1, LAYER)
        n["size"], n["stop"] = sizes, np.cumsum(sizes)
        n["first"] = n["stop"] - sizes
        matrices = [self.circuit.matrix(name) for name in self.matrices[1:]]
        synapses = np.array([m.n_synapses for m in matrices], np.int64)
        n["offset"][1:] = np.cumsum(synapses) - synapses
        runs = Runs.of([(None, 0), *((m.mask, m.shape[0]) for m in matrices)])
        n["rows"] = runs.begins
        fans = [self.form.fans[name, True] for name in self.matrices[1:]]
        sparse = {
            "row_first": runs.row_first,
            "runs": runs.runs,
            "fan_in": np.concatenate([np.zeros(sizes[0], np.int64), *fans]),
        }
        for kind in _REACHED:
            n[f"least_{kind}"], n[f"low_{kind}"] = _NEVER, -_NEVER
        for k in range(1, last + 1):
            family = self._family(k)
            opened_sum = form.open_sums[form.sum_of[form.layers[k]]]
            n["copies"][k], n["low"][k], n["high"][k] = opened_sum.copies, opened_sum.low, opened_sum.high
            opened = self._opened(k, family, n)
            n["fire"][k], n["shut"][k] = self._points(family[form.layers[k]], opened)
            if learning:
                learns, matrix = self.learns[k], self.matrices[k]
                for kind, update in (("grow", learns.pos), ("shrink", learns.neg)):
                    change = form.updates[update].change
                    n[kind][k] = change
                    n["what_grows" if kind == "grow" else "what_shrinks"][k] = rounding_of(self.circuit, matrix, change)
        nothing = np.zeros(0, np.int16)
        if not learning:
            return Network(
                nothing, n, self._closed(n, False), **sparse, error=np.zeros(16, np.int8), low_o=0, high_o=0,
                period=self.circuit.period, updated=False,
            )  # fmt: skip
        low_o, high_o, error = self._error(target)
        updated = set()
        for k in range(1, last):
            back = self._hidden(k, n)
            updated.add(back.updated)
            pos, neg = (form.open_sums[form.sum_of[signal]] for signal in self.backs[k])
            self.need(pos == neg, "the two signs of a hidden error have different gates")
            n["back_low"][k + 1], n["back_high"][k + 1] = pos.low, pos.high
            self._noise(back.noise, k, n)
        self.need(len(updated) == 1, "some errors come back through weights as they were, others as they are updated")
        late = updated.pop()
        return Network(
            nothing, n, self._closed(n, late), **sparse, error=error, low_o=low_o, high_o=high_o,
            period=self.circuit.period, updated=late,
        )  # fmt: skip

    def _opened(self, k: int, family: dict[int, Above], n: NDArray[np.void]) -> int | None:
        """The signal that opens units of a layer, if the chain does not open all of them."""
        by = {signal for s in family.values() for signal, _ in s.spikes}
        if not by:
            return None
        (opened,) = by if len(by) == 1 else (-1,)
        drawn = self.form.above(opened) if opened >= 0 else None
        known = all(len(s.spikes) == 1 for s in family.values())
        shut = {s.above for s in family.values()}
        self.need(
            k < self.last and drawn is not None and drawn.noise is not None and known and len(shut) == 1,
            "a layer is relayed more than what opens its units at random",
        )
        assert drawn is not None
        assert drawn.noise is not None
        self.need(not drawn.terms and not drawn.spikes and drawn.above < 0, "what opens units hears something")
        noise = drawn.noise
        n["drop_noise"][k], n["drop_level"][k], n["drop_phase"][k] = noise.below, -drawn.above, noise.phase
        n["drop_first"][k] = self.circuit.first_neuron(noise.population)
        return opened

    def _points(self, above: Above, opened: int | None) -> tuple[int, int]:
        """Above which a unit fires if it is open, and if it is not."""
        return (above.above, above.above) if opened is None else (above.above - above.spikes[0][1], above.above)

    def _noise(self, noise: Noise | None, k: int, n: NDArray[np.void]) -> None:
        back_pos, back_neg = self.backs[k]
        if noise is None:
            return
        other = self._above(back_neg).noise
        self.need(
            other is not None and (other.population, other.below) == (noise.population, noise.below),
            "the two signs of a hidden error have different noise",
        )
        assert other is not None
        first = self._above(back_pos).noise
        assert first is not None
        n["noise"][k], n["noise_first"][k] = noise.below, self.circuit.first_neuron(noise.population)
        n["noise_pos"][k], n["noise_neg"][k] = first.phase, other.phase

    # --------------------------------------------------------------- learning

    def _updates(self, k: int) -> _Learns:
        """The update that potentiates a matrix, and the one that depresses it."""
        matrix, pre = self.matrices[k], self.form.layers[k - 1]
        found = [(j, u) for j, u in enumerate(self.form.updates) if u.matrix == matrix]
        self.need(
            len(found) == 2 and all(u.pre == pre for _, u in found) and found[0][1].change * found[1][1].change < 0,
            f"{matrix} does not learn twice a sample, once up and once down, from the layer before it",
        )
        (a, first), (b, _) = found
        return _Learns(a, b) if first.change > 0 else _Learns(b, a)

    def _errors(self, k: int) -> tuple[int, int]:
        """The signals of a layer's error, where it is 1 and where it is -1."""
        learns = self.learns[k]
        return self.form.updates[learns.pos].post, self.form.updates[learns.neg].post

    def _error(self, target: int) -> tuple[int, int, NDArray[np.int8]]:
        """Two further firing points of the output, and the output error by what fires."""
        form = self.form
        family = {k: s.above for k, s in self._family(self.last).items()}
        name, o = self.circuit.sources[target].name, form.layers[-1]
        d_pos, d_neg = self._errors(self.last)
        t = next(k for k, s in enumerate(form.signals) if s == Given(name))
        leaves = {*form.leaves(d_pos), *form.leaves(d_neg)}
        self.need(leaves <= {t, *family}, "its output error depends on more than target and output")
        self.need(form.disjoint(d_pos, d_neg), "its output error can be positive and negative at once")
        points = sorted(set(family.values()) - {family[o]})
        self.need(len(points) <= 2, f"its output has {len(points) + 1} firing points")
        low, high = (*points, family[o], family[o])[:2]
        error = np.zeros(16, np.int8)
        for entry, (b_high, b_low, b_o, b_t) in enumerate(itertools.product((False, True), repeat=4)):
            # An output that fires without reason (a fault) is above its lower firing point, too: d counts it as wrong.
            fires = {low: b_low or (b_o and low < family[o]), high: b_high, family[o]: b_o}
            known = {t: b_t, **{k: fires[above] for k, above in family.items()}}
            error[entry] = int(form.value(d_pos, known)) - int(form.value(d_neg, known))
        return low, high, error

    def _hidden(self, k: int, n: NDArray[np.void]) -> _Back:
        """Where a hidden layer learns, and the error that comes back to it."""
        e_pos, e_neg = self._errors(k)
        up, down = self._errors(k + 1)
        learns = self.learns[k + 1]
        pos = self._back(k, e_pos, (up, learns.pos), (down, learns.neg))
        neg = self._back(k, e_neg, (down, learns.neg), (up, learns.pos))
        self.need(pos.updated == neg.updated, "the two signs of its hidden error see different weights")
        self.backs[k] = (pos.signal, neg.signal)
        family = self._family(k)
        opened = next((s.spikes[0][0] for s in family.values() if s.spikes), None)
        points = {j: self._points(s, opened) for j, s in family.items()}
        edges = sorted({open_ for open_, _ in points.values()})
        inside = []
        for region in range(len(edges) + 1):
            fires = {j: open_ in edges[:region] for j, (open_, _) in points.items()}
            both = (e_pos, pos), (e_neg, neg)
            values = [self.form.value(e if b.opener is None else b.opener, {b.signal: True, **fires}) for e, b in both]
            silent = [b.opener is None and self.form.value(e, {b.signal: False, **fires}) for e, b in both]
            self.need(values[0] == values[1] and not any(silent), "its hidden errors are no product of error and box")
            inside.append(values[0])
        self.need(opened is None or not (inside[0] or inside[-1]), "a unit that is dropped may learn")
        runs = [j for j in range(len(inside)) if inside[j] and not (j and inside[j - 1])]
        self.need(len(runs) == 1, "the derivative of its hidden layer is no single box")
        bounds = [-_NEVER, *edges, _NEVER]
        last = first = runs[0]
        while last + 1 < len(inside) and inside[last + 1]:
            last += 1
        n["box_low"][k], n["box_high"][k] = bounds[first], bounds[last + 1]
        return pos

    def _back(self, k: int, e: int, up: tuple[int, int], down: tuple[int, int]) -> _Back:
        """The signal W^T e > 0 behind a hidden error, and whether it sees the sample's updates."""
        family, W = self._family(k), self.matrices[k + 1]
        others = [leaf for leaf in self.form.leaves(e) if leaf not in family]
        found = self.form.above(others[0]) if len(others) == 1 else None
        by_logic, above, opener = found is not None and not found.spikes, 0 if found is None else found.above, None
        if found is not None and others == [e] and len(found.spikes) == 1:
            # The box opens the layer itself: then the error alone must not.
            (opener, weight), most = found.spikes[0], int(self.form.fans[W, False].max()) * PLASTIC_WEIGHT_MAX
            by_logic = most <= above and set(self.form.leaves(opener)) <= family.keys()
            above -= weight
        self.need(by_logic, "its hidden error is more than an error that comes back and the hidden layer")
        assert found is not None
        terms = {(t.matrix, t.transposed, t.sign, t.signal): t for t in found.terms}
        wanted = [(W, True, 1, up[0]), (W, True, -1, down[0])]
        self.need(above == 0 and sorted(terms) == sorted(wanted), f"no {W}^T d > 0 comes back")
        seen = [own in terms[key].updates for key, own in zip(wanted, (up[1], down[1]), strict=True)]
        self.need(seen[0] == seen[1], "the error that comes back sees weights before and after their update")
        return _Back(others[0], found.noise, seen[0], opener)

    # --------------------------------------------------------- closed gates

    def _closed(self, n: NDArray[np.void], updated: bool) -> NDArray[np.void]:
        """Dense sums that reach closed populations, by matrix, kind, version and limit; notes the smallest limits."""
        found: Counter[tuple[int, int, int, int, int]] = Counter()
        certain = self.circuit.update_probability.certain
        for c in self.form.closed:
            (term, *more) = c.terms
            where = f"{c.population!r} gets dense input in phase {c.phase} that the engine does not follow"
            self.need(not more and term.sign == 1 and term.matrix in self.matrices, where)
            k = self.matrices.index(term.matrix)
            version = self._version(term, k, where)
            if term.transposed:
                self.need(k == self.last and term.signal == self.form.layers[-1], where)
                kind = 3
            else:
                kinds = {self.form.layers[k - 1]: 0}
                if self.circuit.learning and k > 1:
                    e_pos, e_neg = self._errors(k - 1)
                    kinds |= {e_pos: 1, e_neg: 2}
                self.need(term.signal in kinds, where)
                kind = kinds[term.signal]
            whole = self.circuit.matrix(self.matrices[k]).mask is None
            late = updated and not (certain and k == self.last and whole)
            self.need(not late or kind not in (1, 2) or version == 2, where)
            found[k, kind, version, c.limit, c.low] += 1
        for k, kind, _, limit, low in found:
            name = (*_REACHED[:2], *_REACHED[1:])[kind]
            n[f"least_{name}"][k] = min(n[f"least_{name}"][k], limit)
            n[f"low_{name}"][k] = max(n[f"low_{name}"][k], low)
        return np.array(sorted((*key, copies) for key, copies in found.items()), CLOSED)

    def _version(self, term: Term, k: int, where: str) -> int:
        """How many of its updates a matrix has behind it."""
        if not term.updates:
            return 0
        done, learns = set(term.updates), self.learns[k]
        self.need(learns.pos in done and done <= {learns.pos, learns.neg}, where)
        return len(done)
