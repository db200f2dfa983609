"""Lava run configurations by name, or as an experiment's file names them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lava_nbp.base.checks import check_text, shown
from lava_nbp.base.files import AnyPath, as_path
from lava_nbp.base.targets import TARGETS
from lava_nbp.errors import InputError


def run_config(name_or_path: AnyPath, tag: str = "fixed_pt", in_process: bool | None = None) -> Any:
    """Make the Lava run configuration of a target, for any network that Lava's simulator runs.

    It chooses the models of this library's Processes, and for stock Processes those that
    ``Loihi2SimCfg(select_tag=tag)`` would. `Process.run` of the library's Processes never
    hangs with it; `lava_nbp.LavaRuntime` takes it, too.

    Parameters
    ----------
    name_or_path : str or path
        "lava": one model per Process. "lava-primitives": Processes with a hierarchical model
        (`NBPNetwork`) are built from their parts. "lava-stock": from Lava's stock Processes.
        "loihi1", "loihi2": the same on a chip, with Intel's lava-loihi. Or an experiment, a .toml
        file like run_configs/digits.toml, whose `target` is meant.
    tag : {"fixed_pt", "floating_pt", "bit_accurate_loihi"}
        Arithmetic of the CPU models.
    in_process : bool, optional
        Whether all models run in one process, see `LavaRuntime`; not for chips. Default: what an experiment's file
        says, else in one process if the network can.

    Raises
    ------
    InputError
        For an unknown target or tag, a target that does not run on Lava, or in_process for a chip.
    ConfigError
        For a file that is no valid experiment.
    MissingPackageError
        If Lava is not installed.
    MissingLoihiError
        For a chip without lava-loihi.

    Examples
    --------
    >>> population.run(RunSteps(10), run_cfg=lava_nbp.run_config("lava"))  # doctest: +SKIP
    """
    name = os.fspath(as_path(name_or_path, "target or file of an experiment"))
    check_text(tag, "tag")
    if name not in TARGETS and (isinstance(name_or_path, Path) or name.endswith(".toml")):
        from lava_nbp.training.config import load_config

        config = load_config(name)
        name = config.target
        if in_process is None and name in TARGETS and TARGETS[name].on_lava:  # to a chip the key says nothing
            in_process = getattr(getattr(config, "lava", None), "in_process", None)
        refused = (
            f"{name_or_path} runs on the target {name!r}, which is not one of Lava's; set its `target` to one of "
            f"{', '.join(_lava_targets())}, or name one"
        )
    else:
        refused = f"target {name!r} does not run on Lava; use one of {', '.join(_lava_targets())}"
    if name in TARGETS:
        TARGETS[name].require_lava()
    if name in TARGETS and TARGETS[name].on_chip:
        from lava_nbp.executors.chip import make_chip_run_config

        if in_process is not None:
            raise InputError(
                f"in_process is {shown(in_process)}, but target {name!r} is a chip, which runs the models itself; "
                f"leave it out"
            )
        return make_chip_run_config(name, tag)
    if name in TARGETS and not TARGETS[name].on_lava:
        raise InputError(refused)
    from lava_nbp.on_lava.model_choice import make_run_config

    return make_run_config(name, tag, in_process)


def _lava_targets() -> list[str]:
    return [name for name, target in TARGETS.items() if target.on_lava]
