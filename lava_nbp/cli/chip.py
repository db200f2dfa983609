"""Commands about chips, and about this machine: plan, faults, doctor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from lava_nbp.base.checks import shown
from lava_nbp.base.targets import TARGETS
from lava_nbp.cli.console import OUT, ShownProgress, staged
from lava_nbp.cli.options import AsJSON, RunFolder, Settings
from lava_nbp.cli.tables import percent, table
from lava_nbp.errors import InputError
from lava_nbp.loihi.boards import BOARDS
from lava_nbp.nbp.faults import KINDS

_BREAKABLE = [name for name, target in TARGETS.items() if target.faults]


def plan(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG_OR_RUN",
            help="Experiment, a TOML file like run_configs/mnist.toml; the folder of a training run; or a circuit, a "
            ".json file that save_circuit wrote.",
            show_default=False,
        ),
    ],
    chip: Annotated[str, typer.Option(help=f"Chip or board: {', '.join(BOARDS)}.")] = "loihi1",
    placement: Annotated[
        str,
        typer.Option(
            help="paper: as nBP's authors did; spread: with a core for the chain, or evenly; packed: on few cores; "
            "auto: the first that fits."
        ),
    ] = "auto",
    inference: Annotated[
        bool | None,
        typer.Option(
            "--inference/--learning",
            help="Plan what only infers, or what learns; default: of nbp what learns, of eventprop what infers.",
            show_default=False,
        ),
    ] = None,
    settings: Settings = None,
    picture: Annotated[
        Path | None, typer.Option(help="File to draw the core map to, like plan.png.", show_default=False)
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Plan a network on a chip: cores, resources, time and energy, what does not fit, and what would make it fit."""
    from lava_nbp.loihi.plan import cures
    from lava_nbp.runs.plan import plan_of

    if picture is not None:
        from lava_nbp.seeing.plot import check_picture

        check_picture(picture)
    with staged("samples") as stage:
        made, notes = plan_of(source, chip, placement, inference=inference, settings=settings or [], stage=stage)
    would = cures(made)
    if as_json:
        OUT.print_json(json.dumps({**made.as_dict(), "cures": would}))
    else:
        from lava_nbp.seeing.plan import print_plan

        print_plan(OUT, made, would)
        for note in notes:
            OUT.print(f"note: {escape(note)}")
    if picture is not None:
        from lava_nbp.seeing.plan import core_map

        core_map(made, picture)
        if not as_json:
            OUT.print(f"core map: {escape(str(picture))}")


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
