"""A trained run's inference network, in the field's exchange formats."""

from __future__ import annotations

import math
from pathlib import Path

from lava_nbp.errors import CheckpointError, InputError, unknown_name
from lava_nbp.eventprop.equations import response
from lava_nbp.eventprop.losses import TTFSLoss
from lava_nbp.exchange.dense import DenseNetwork
from lava_nbp.base.widths import ALIGNMENT_BITS, VOLTAGE_DECAY_ALL
from lava_nbp.nbp.circuit import FIRE
from lava_nbp.base.targets import CLOCKED_TARGETS
from lava_nbp.training.checkpoint import Arrays, Checkpoint
from lava_nbp.training.config import EventPropExperiment, Experiment, NBPExperiment, SLAYERExperiment
from lava_nbp.runs.train import load_run

#: Formats, and the suffix of their files.
FORMATS = {"nir": ".nir", "netx": ".net"}
#: nBP's sums are even: those that fire are FIRE + 2 and more, and neither rounding to float32 nor >= for > changes
#: them.
_NBP_THETA = FIRE + 1
#: Step of an exported nBP network in ms, by name only: nothing outlasts a step.
_NBP_DT = 1.0


def export_run(folder: Path, form: str, out: Path | None = None, dt: float | None = None) -> tuple[Path, DenseNetwork]:
    """Write a run's inference network (of the chosen epoch, else the last) to a file.

    Parameters
    ----------
    folder : path
        The run.
    form : {"nir", "netx"}
        Format; see `lava_nbp.exchange.nir_graph` and `lava_nbp.exchange.netx_file`.
    out : path, optional
        Default: network.nir or network.net in the run's folder.
    dt : float, optional
        Step in ms of an EventProp network in continuous time; default: clocked.dt of its configuration.

    Raises
    ------
    LavaNBPError
        For a run that cannot be used, a network that the format does not hold, a missing package, or a file that cannot
        be written.
    """
    if form not in FORMATS:
        raise InputError(unknown_name("format", form, FORMATS))
    state, config = load_run(folder)
    network = network_of(state, config, dt)
    path = out or folder / f"network{FORMATS[form]}"
    if form == "nir":
        from lava_nbp.exchange.nir_graph import write_nir

        write_nir(network, path)
    else:
        from lava_nbp.exchange.netx_file import write_netx

        write_netx(network, path)
    return path, network


def network_of(state: Checkpoint, config: Experiment, dt: float | None = None) -> DenseNetwork:
    """The inference network of a run.

    Raises
    ------
    CheckpointError
        If it has learned nothing yet.
    InputError
        For recurrent layers, or a dt that this network cannot have.
    """
    if not state.history:
        raise CheckpointError("the run holds no finished epoch yet; nothing to export: train it first")
    weights = state.chosen or state.weights
    about = {
        "algorithm": config.algorithm, "target": config.target, "seed": str(config.seed), "epochs": str(state.epoch),
        "layers": "-".join(map(str, state.layers)),
    }  # fmt: skip
    if isinstance(config, NBPExperiment):
        if dt is not None:
            raise InputError("dt is for EventProp networks; nothing in an nBP network outlasts a step")
        matrices = tuple(weights[name].astype(float) for name in ("W1", "W2"))
        return DenseNetwork(matrices, float(_NBP_THETA), 0.0, 0.0, 1.0, _NBP_DT, about=about)
    if isinstance(config, SLAYERExperiment):
        return _slayer(weights, config, dt, about)
    assert isinstance(config, EventPropExperiment)
    return _eventprop(weights, config, dt, about)


def _slayer(weights: Arrays, config: SLAYERExperiment, dt: float | None, about: dict[str, str]) -> DenseNetwork:
    from lava_nbp.training.slayer.learner import device_layers

    if dt is not None and dt != config.network.dt:
        raise InputError(
            f"dt is {dt:g} ms, but the run learned with {config.network.dt:g} ms (network.dt); leave --dt out"
        )
    layers = device_layers(config, weights)
    registers = layers[0][1]
    # Voltages are multiples of 1/64 weight: theta between the largest that does not fire and the next.
    theta = registers["vThMant"] + 0.5 / (1 << ALIGNMENT_BITS)
    alpha, beta = (1 - registers[key] / VOLTAGE_DECAY_ALL for key in ("vDecay", "iDecay"))
    return DenseNetwork(
        tuple(w.astype(float) for w, _ in layers), theta, alpha, beta, 1.0, config.network.dt, about=about
    )


def _eventprop(weights: Arrays, config: EventPropExperiment, dt: float | None, about: dict[str, str]) -> DenseNetwork:
    from lava_nbp.training.eventprop.learner import clocked_setup, largest_weights, loss_of, parameters

    loops = sorted(name for name in weights if name.startswith("R"))
    if loops:
        raise InputError(
            f"the run has recurrent weights {', '.join(loops)}; only feed-forward networks can be exported"
        )
    spiking = isinstance(loss_of(config), TTFSLoss)
    if config.target in CLOCKED_TARGETS:
        if dt is not None and dt != config.clocked.dt:
            raise InputError(
                f"dt is {dt:g} ms, but the run learned with steps of {config.clocked.dt:g} ms (clocked.dt); "
                f"leave --dt out"
            )
        c = clocked_setup(config).c
        exponents = [c.weight_exponent(top) for top in largest_weights(config)]
        matrices = tuple(
            c.forward_weights(weights[f"W{k}"], exponent).astype(float) for k, exponent in enumerate(exponents, 1)
        )
        unit = 1 << c.coefficient_bits
        return DenseNetwork(
            matrices, float(c.theta), c.alpha / unit, c.beta / unit, c.gamma / unit, c.dt, spiking, about
        )
    p, step = parameters(config), config.clocked.dt if dt is None else dt
    if not (math.isfinite(step) and 0 < step <= config.encoding.end):
        raise InputError(f"dt is {step!r} ms, but must be positive and at most the trial's {config.encoding.end:g} ms")
    matrices = tuple(weights[f"W{k + 1}"].astype(float) for k in range(len(weights)))
    alpha, beta = math.exp(-step / p.tau_m), math.exp(-step / p.tau_s)
    return DenseNetwork(matrices, 1.0, alpha, beta, response(step, p), step, spiking, about)
