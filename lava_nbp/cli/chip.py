"""Commands about chips, and about this machine: plan, faults, doctor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from lava_nbp.base.checks import shown
from lava_nbp.base.registry import resolve
from lava_nbp.base.targets import TARGETS
from lava_nbp.cli.console import OUT, ShownProgress
from lava_nbp.cli.options import AsJSON, RunFolder, Settings
from lava_nbp.cli.tables import percent, table
from lava_nbp.errors import InputError
from lava_nbp.loihi.boards import BOARDS
from lava_nbp.nbp.circuit import Circuit
from lava_nbp.nbp.circuit_file import SUFFIX, load_circuit
from lava_nbp.nbp.faults import KINDS
from lava_nbp.training.algorithms import ALGORITHMS

_BREAKABLE = [name for name, target in TARGETS.items() if target.faults]


def plan(
    config: Annotated[
        Path,
        typer.Argument(
            help="Experiment, a TOML file like run_configs/mnist.toml, or a circuit, a .json file that save_circuit "
            "wrote.",
            show_default=False,
        ),
    ],
    chip: Annotated[str, typer.Option(help=f"Chip or board: {', '.join(BOARDS)}.")] = "loihi1",
    placement: Annotated[
        str,
        typer.Option(
            help="paper: as its authors did; spread: with a core for the chain; packed: on few cores; auto: the first "
            "that fits."
        ),
    ] = "auto",
    inference: Annotated[bool, typer.Option("--inference", help="Plan the network that only infers.")] = False,
    settings: Settings = None,
    picture: Annotated[
        Path | None, typer.Option(help="File to draw the core map to, like plan.png.", show_default=False)
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Plan a network on a chip: cores, resources, what does not fit, and what would make it fit."""
    from lava_nbp.loihi.plan import cures, make_plan

    if picture is not None:
        from lava_nbp.seeing.plot import check_picture

        check_picture(picture)
    circuit = _circuit(config, settings or [])
    if inference:
        circuit = circuit.answering
    made = make_plan(circuit, chip, placement)
    would = cures(made)
    if as_json:
        OUT.print_json(json.dumps({**made.as_dict(), "cures": would}))
    else:
        from lava_nbp.seeing.plan import print_plan

        print_plan(OUT, made, would)
        if circuit.learning and not circuit.chip_order:
            OUT.print(
                "note: the chip delivers spikes before it learns; circuit.in_chip_order(), or network.chip_order = "
                "true where the circuit has this option, trains the same way"
            )
    if picture is not None:
        from lava_nbp.seeing.plan import core_map

        core_map(made, picture)
        if not as_json:
            OUT.print(f"core map: {escape(str(picture))}")


def _circuit(config: Path, settings: list[str]) -> Circuit:
    """The circuit of a file, or of an experiment."""
    if config.name.endswith(SUFFIX):
        if settings:
            raise InputError(f"--set {settings[0]} changes an experiment, but {config} is a circuit; leave it out")
        return load_circuit(config)
    from lava_nbp.training.config import load_config

    experiment = load_config(config, settings)
    algorithm = ALGORITHMS[experiment.algorithm]
    if algorithm.circuit is None:
        raise InputError(
            f"{config} is an experiment of {algorithm.name}, whose networks are no circuits and have no plan; plan one "
            f"of nbp, like run_configs/mnist.toml"
        )
    circuit: Circuit = resolve(algorithm.circuit)(experiment)
    return circuit


def faults(
    run_dir: RunFolder,
    kind: Annotated[
        list[str] | None, typer.Option(help=f"Kind of fault, repeatable: {', '.join(KINDS)}; default all.")
    ] = None,
    rates: Annotated[str, typer.Option(help="Shares or probabilities.")] = "0.001,0.003,0.01,0.03,0.1,0.3",
    epochs: Annotated[int, typer.Option(help="Epochs of learning with the faults.")] = 1,
    target: Annotated[
        str | None,
        typer.Option(
            help=f"What runs it: {', '.join(_BREAKABLE)}; default the run's if it is one, else the first.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Break a trained network, and let it learn on: accuracy against fault rate, before and after."""
    from lava_nbp.runs.faults import sweep_run

    with ShownProgress() as progress:
        report, paths = sweep_run(run_dir, kind or KINDS, _numbers(rates), epochs, target, progress)
    head = ("fault", "rate", "as they come", f"after {epochs} epoch(s)")
    rows = [
        (row["kind"], f"{row['rate']:g}", *(percent(row[key]) for key in ("before", "after"))) for row in report["rows"]
    ]
    OUT.print(table(head, rows, title=f"test accuracy by spikes; without faults {percent(report['without'])}"))
    for path in paths:
        OUT.print(f"written: {escape(str(path))}")


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--rates is {shown(text)}, but must be numbers in 0 .. 1 with commas between them") from None


def doctor(as_json: AsJSON = False) -> None:
    """Look at this machine: what is here, what is missing, and the cure."""
    from lava_nbp.cli.doctor import examine

    findings = examine()
    if as_json:
        OUT.print_json(json.dumps([finding.as_dict() for finding in findings]))
    else:
        for finding in findings:
            OUT.print(escape(str(finding)), highlight=False)
    if any(finding.state == "missing" and finding.needed for finding in findings):
        raise typer.Exit(1)
