"""A trained run's inference network, in the field's exchange formats."""

from __future__ import annotations

from pathlib import Path

from lava_nbp.base.checks import check_kind, check_name, check_positive
from lava_nbp.base.files import AnyPath, as_path, check_output
from lava_nbp.base.registry import resolve
from lava_nbp.errors import CheckpointError, InputError
from lava_nbp.exchange.dense import DenseNetwork
from lava_nbp.exchange.netx_file import write_netx
from lava_nbp.exchange.nir_graph import write_nir
from lava_nbp.training.run import Run, load_run

#: Formats: the suffix of their files, and what writes them.
FORMATS = {"nir": (".nir", write_nir), "netx": (".net", write_netx)}


def export_run(
    folder: AnyPath, form: str, out: AnyPath | None = None, dt: float | None = None
) -> tuple[Path, DenseNetwork]:
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
    folder = as_path(folder, "folder of a run")
    check_name(form, "format", FORMATS)
    suffix, write = FORMATS[form]
    path = folder / f"network{suffix}" if out is None else as_path(out, "file to export to")
    run = load_run(folder)
    check_output(path)
    network = network_of(run, dt)
    write(network, path)
    return path, network


def network_of(run: Run, dt: float | None = None) -> DenseNetwork:
    """The inference network of a run.

    Raises
    ------
    CheckpointError
        If it has learned nothing yet.
    InputError
        If its algorithm has nothing to export, its network is not layer after layer, or it cannot have this dt.
    """
    check_kind(run, Run, "run")
    if dt is not None:
        check_positive(dt, "dt", "it is a step in ms")
    if not run.state.history:
        raise CheckpointError("the run holds no finished epoch yet; nothing to export: train it first")
    make = run.algorithm.network
    if make is None:
        raise InputError(f"{run.folder} is a run of {run.algorithm.name}, whose networks have no form for export")
    network: DenseNetwork = resolve(make)(run, dt)
    return network
