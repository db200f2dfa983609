"""The weights of a circuit: one store, of which engines, Lava models and their Vars hold views."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.arrays import Allocate
from lava_nbp.base.checks import as_array, shown
from lava_nbp.base.integers import Int16Array, check_plastic_weights
from lava_nbp.base.memory import check_memory
from lava_nbp.errors import CircuitError, WeightError
from lava_nbp.nbp.circuit import Circuit, DenseProjection
from lava_nbp.nbp.faults import Faults
from lava_nbp.nbp.form import sample_form
from lava_nbp.nbp.mask import check_where_synapses_are


def check_network_weights(circuit: Circuit, weights: Mapping[str, Any]) -> dict[str, Int16Array]:
    """Return checked int16 copies of every matrix of a circuit.

    Raises
    ------
    WeightError
        For a missing or unknown matrix, a wrong shape, or values a synapse cannot hold.
    """
    shapes = circuit.matrix_shapes
    if not isinstance(weights, Mapping):
        raise WeightError(f"weights are {shown(weights)}, but must be a mapping of {', '.join(shapes)} to matrices")
    if set(weights) != set(shapes):
        there = sorted(map(str, weights))
        raise WeightError(f"weights named {there}, but this network has {sorted(shapes)}; give exactly those")
    checked = {name: check_plastic_weights(weights[name], shape, name) for name, shape in shapes.items()}
    for matrix in circuit.matrices:
        if matrix.mask is not None:
            check_where_synapses_are(checked[matrix.name], matrix.mask, matrix.name)
    return checked


class Projections:
    """Every dense projection of a circuit with weights of its own, one after the other in one array.

    Parameters
    ----------
    circuit : Circuit
        What has them.
    weights : mapping
        A matrix (pre, post) per name in `circuit.matrices`: even integers in -254 .. 254. Every projection gets its
        copy, transposed or negated as it says.
    allocate : callable
        Makes the array; with shared memory, parent and child processes see the same weights.
    faults : Faults, optional
        Synapses that are gone stay 0 whatever is written.

    Attributes
    ----------
    flat : (synapses,) int16
        All of them, ordered by presynaptic population.
    offsets : dict
        Where each begins, by name, in that order.
    arrays : dict
        Views (pre, post) of each, by name, in the circuit's order; of those with a mask (synapses,), row after row.

    Raises
    ------
    WeightError
        For weights that do not belong to the circuit or that synapses cannot hold.
    InputError
        If all of them need more memory than there may be.
    """

    def __init__(
        self,
        circuit: Circuit,
        weights: Mapping[str, Any],
        allocate: Allocate = np.zeros,
        faults: Faults | None = None,
    ) -> None:
        self.circuit, self._faults = circuit, faults
        check_memory(
            2 * circuit.n_dense_synapses * np.dtype(np.int16).itemsize,
            f"circuit {circuit.name!r} with {circuit.n_dense_synapses} dense synapses",
            "make a layer smaller",
        )
        place = {p.name: k for k, p in enumerate(circuit.populations)}
        self.flat: Int16Array = allocate(circuit.n_dense_synapses, np.int16)
        self.offsets: dict[str, int] = {}
        offset, views = 0, {}
        for p in sorted(circuit.projections, key=lambda p: place[p.pre]):
            n, mask = circuit.size_of(p), circuit.mask_of(p)
            self.offsets[p.name] = offset
            held = self.flat[offset : offset + n]
            views[p.name] = held.reshape(circuit.shape_of(p)) if mask is None else held
            offset += n
        self.arrays: dict[str, Int16Array] = {p.name: views[p.name] for p in circuit.projections}
        self.write_weights(weights)

    def write_weights(self, weights: Mapping[str, Any]) -> None:
        """Set every projection from the matrices: mirrored and negated copies follow.

        Raises
        ------
        WeightError
            As for the constructor; nothing is changed then.
        """
        checked = check_network_weights(self.circuit, weights)
        for p in self.circuit.projections:
            self.arrays[p.name][...] = self.held(p, p.copy_of(checked[p.matrix]))
            if self._faults is not None:
                self.arrays[p.name][self.held(p, broken_synapses(self.circuit, p, self._faults, "lost"))] = 0

    def held(self, p: DenseProjection, matrix: NDArray[Any]) -> NDArray[Any]:
        """What a projection holds of a matrix (pre, post)."""
        mask = self.circuit.mask_of(p)
        return matrix if mask is None else mask.taken(matrix)

    def matrix_of(self, p: DenseProjection) -> Int16Array:
        """A copy of the weights of a projection, (pre, post), 0 where there is no synapse."""
        mask, held = self.circuit.mask_of(p), self.arrays[p.name]
        return held.copy() if mask is None else mask.spread(held, self.circuit.shape_of(p))

    def matrices(self) -> dict[str, Int16Array]:
        """Copies of the weights of every projection, by name."""
        return {p.name: self.matrix_of(p) for p in self.circuit.projections}

    def read_weights(self) -> dict[str, Int16Array]:
        """Copies of the matrices, from the projections that hold them as they are."""
        return {name: self.matrix_of(p) for name, p in self.plain.items()}

    def read_copies(self) -> dict[str, Int16Array]:
        """Copies of all arrays, if any of them holds something else than its matrix says; else {}."""
        matrices = self.read_weights()
        same = (
            np.array_equal(self.arrays[p.name], self.held(p, p.copy_of(matrices[p.matrix])))
            for p in self.circuit.projections
        )
        if all(same):
            return {}
        return {name: array.copy() for name, array in self.arrays.items()}

    def write_copies(self, copies: Mapping[str, Any]) -> None:
        """Set every array by itself; nothing if there are none.

        Raises
        ------
        WeightError
            For a missing or unknown projection, a wrong shape, or values that synapses cannot hold; nothing is changed
            then.
        """
        if not copies:
            return
        if copies.keys() != self.arrays.keys():
            raise WeightError(f"projections named {sorted(copies)}, but this circuit has {sorted(self.arrays)}")
        checked = {}
        for name, held in self.arrays.items():
            rows, columns = held.shape if held.ndim == 2 else (1, held.size)
            given = as_array(copies[name], name, error=WeightError)
            flat = given.reshape(1, -1) if held.ndim == given.ndim == 1 else given
            checked[name] = check_plastic_weights(flat, (rows, columns), name).reshape(held.shape)
        for name, held in self.arrays.items():
            held[...] = checked[name]

    @property
    def plain(self) -> dict[str, DenseProjection]:
        """By matrix: the first projection that holds it as it is, neither transposed nor negative."""
        found = {p.matrix: p for p in reversed(self.circuit.projections) if not p.transposed and p.sign == 1}
        return {m.name: found[m.name] for m in self.circuit.matrices}


def broken_synapses(circuit: Circuit, p: DenseProjection, faults: Faults, kind: str) -> NDArray[np.bool_]:
    """Which synapses of a projection, (pre, post), are "lost" or "stuck": by its own name, or those of its matrix."""
    which: Callable[[str, tuple[int, int]], NDArray[np.bool_]] = (
        faults.lost_synapses if kind == "lost" else faults.stuck_synapses
    )
    shape = circuit.shape_of(p)
    if faults.apart:
        return which(p.name, shape)
    return which(p.matrix, (shape[1], shape[0])).T if p.transposed else which(p.matrix, shape)


def flipped_weights(circuit: Circuit, weights: Mapping[str, Int16Array], faults: Faults) -> dict[str, Int16Array]:
    """The matrices of a circuit with flipped bits, where there are synapses to hold them; themselves if none are."""
    if not faults.flips:
        return {**weights}
    flipped = {name: faults.flipped(name, w) for name, w in weights.items()}
    for m in circuit.matrices:
        if m.mask is not None:
            flipped[m.name][~m.mask.matrix(m.shape)] = 0
    return flipped


def copies_learn_alike(circuit: Circuit) -> bool:
    """Whether all copies of a matrix are known to learn the same."""
    try:
        sample_form(circuit)
    except CircuitError:
        return not circuit.learning
    return True
