"""The network of an nBP experiment: its circuit, its matrices, and what of it is exported."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from lava_nbp.base.progress import Count, uncounted
from lava_nbp.data import input_and_classes
from lava_nbp.data.dataset import image_and_classes
from lava_nbp.errors import CircuitError, InputError, WeightError
from lava_nbp.exchange.dense import DenseNetwork
from lava_nbp.nbp.circuit import Circuit
from lava_nbp.nbp.circuit_file import load_circuit
from lava_nbp.nbp.circuits import make_circuit
from lava_nbp.nbp.form import Term, sample_form
from lava_nbp.nbp.projections import check_network_weights
from lava_nbp.training.nbp.config import GIVEN, NBPExperiment
from lava_nbp.training.planned import Planned, planned_circuit

if TYPE_CHECKING:
    from lava_nbp.training.learner import Arrays
    from lava_nbp.training.run import Run

#: Step of an exported nBP network in ms, by name only: nothing outlasts a step.
_DT = 1.0


def circuit_of(config: NBPExperiment, sizes: tuple[int, int] | None = None) -> Circuit:
    """The circuit that a configuration means; what is drawn in it follows from the experiment's seed.

    Parameters
    ----------
    config : NBPExperiment
        The experiment.
    sizes : (int, int), optional
        Inputs and classes; by default those of its data set, which is not read if they can be known.

    Raises
    ------
    InputError
        For a file that cannot be read, or a circuit that was given in Python.
    CircuitError
        For layers that the circuit cannot have.
    DataError
        For data that cannot be read.
    """
    n = config.network
    if n.circuit == GIVEN:
        raise InputError(
            f"network.circuit is {GIVEN!r}: it came from Python and is in the run's checkpoint; pass it, as in "
            f"train(config, folder, circuit)"
        )
    if sizes is None:
        pixels, n_out = input_and_classes(config.data.name, config.data.options)
        sizes = pixels * config.data.n_thresholds, n_out
    n_in, n_out = sizes
    hidden = load_circuit(n.circuit).layers[1:-1] if n.hidden is None else n.hidden
    options = n.options
    if options.get("patch") and not options.get("image"):
        height, width, _ = image_and_classes(config.data.name, config.data.options)
        options["image"] = (config.data.n_thresholds, height, width)
    return make_circuit(n.circuit, (n_in, *hidden, n_out), **options).with_seed(config.seed)


def planned(
    config: NBPExperiment, run: Run | None = None, inference: bool | None = None, told: Count = uncounted
) -> Planned:
    """The circuit of a run, or the one that a configuration means; what is not learned, and what fires, is not asked.

    Raises
    ------
    CircuitError, DataError, InputError
        As `circuit_of`.
    """
    circuit = circuit_of(config) if run is None else run.circuit
    assert circuit is not None
    return planned_circuit(circuit, bool(inference))


def check_matrices(weights: Arrays, layers: tuple[int, ...], circuit: Circuit | None) -> None:
    """Check that a circuit has these layers and matrices.

    Raises
    ------
    WeightError
        For no circuit, one of other layers, a missing or unknown matrix, a wrong shape, or values that synapses cannot
        hold.
    """
    if circuit is None or circuit.layers != layers:
        raise WeightError(f"layers are {layers}, but those of the circuit {circuit and circuit.layers}")
    check_network_weights(circuit, weights)


class FeedForward(NamedTuple):
    """A network of layers, each the layer before it times a matrix.

    Attributes
    ----------
    terms : tuple of Term
        The matrix behind each layer but the first, as it is used there.
    fires_above : int
        Sum above which a neuron of any layer fires, in weight units.
    """

    terms: tuple[Term, ...]
    fires_above: int


def feed_forward(circuit: Circuit) -> FeedForward:
    """What a circuit answers by, as a network of other tools; these read its output in ways of their own.

    Raises
    ------
    InputError
        If it has no per-sample form, a layer's input is anything else than the layer before, or thresholds differ.
    """
    try:
        form = sample_form(replace(circuit, ramp=None).answering)
    except CircuitError as error:
        raise InputError(f"{error}; only what has such a form can be exchanged with other tools") from None
    found = []
    for before, layer, name in zip(form.layers, form.layers[1:], circuit.forward[1:], strict=False):
        above = form.above(layer)
        if above is None or not above.plain or len(above.terms) != 1 or above.terms[0].signal != before:
            raise InputError(
                f"circuit {circuit.name!r}: the input of layer {name!r} is not a matrix times the layer before, so it "
                f"is no feed-forward network of other tools"
            )
        found.append(above)
    if len({above.above for above in found}) > 1:
        raise InputError(f"circuit {circuit.name!r}: its layers have different thresholds, which no other tool's have")
    return FeedForward(tuple(above.terms[0] for above in found), found[0].above)


def exported(run: Run, dt: float | None = None) -> DenseNetwork:
    """The inference network of a run.

    Raises
    ------
    InputError
        For a dt, or a circuit that is not layer after layer.
    """
    if dt is not None:
        raise InputError("dt is for EventProp networks; nothing in an nBP network outlasts a step")
    circuit = run.circuit
    assert circuit is not None
    network = feed_forward(circuit)
    weights = [term.sign * run.weights[term.matrix] for term in network.terms]
    matrices = tuple(
        (w.T if term.transposed else w).astype(float) for w, term in zip(weights, network.terms, strict=True)
    )
    k = circuit.per_class
    about = run.about if k == 1 else {**run.about, "outputs_per_class": f"{k}, side by side: add them up"}
    # Sums are even: those that fire are theirs + 2 and more, and neither rounding to float32 nor >= for > changes them.
    return DenseNetwork(matrices, float(network.fires_above + 1), 0.0, 0.0, 1.0, _DT, about=about)
