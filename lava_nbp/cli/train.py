"""Commands that run experiments: train, evaluate."""

from __future__ import annotations

import json
import signal
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from lava_nbp.base.progress import Progress
from lava_nbp.base.targets import targets_of
from lava_nbp.cli import stopping
from lava_nbp.cli.console import ERR, OUT, ShownProgress, staged
from lava_nbp.cli.options import AsJSON, RunFolder, Settings
from lava_nbp.cli.see import draw
from lava_nbp.cli.tables import accuracies
from lava_nbp.data.sets import DATA_SETS
from lava_nbp.errors import InputError
from lava_nbp.training.algorithms import ALGORITHMS

_TARGETS = "; ".join(f"{name}: {', '.join(targets_of(name))}" for name in ALGORITHMS)


def train(
    config: Annotated[
        Path, typer.Argument(help="Experiment, a TOML file like run_configs/digits.toml.", show_default=False)
    ],
    settings: Settings = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for checkpoint and results; default runs/CONFIG-TARGET-seedN.", show_default=False),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the folder's checkpoint, bit for bit.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run that is in the folder.")] = False,
    plot: Annotated[bool, typer.Option("--plot", help="Draw the figures at the end.")] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Log metrics for TensorBoard, into the run's folder.")
    ] = False,
) -> None:
    """Train a network, with a checkpoint after every epoch."""
    from lava_nbp.runs.train import train as run
    from lava_nbp.training.checkpoint import CHECKPOINT
    from lava_nbp.training.config import load_config

    if resume and overwrite:
        raise InputError("--resume goes on with a run and --overwrite discards it; give one of them")
    experiment = load_config(config, settings or [])
    folder = out or Path("runs") / f"{config.stem}-{experiment.target}-seed{experiment.seed}"
    try:
        with ExitStack() as stack:
            progress: Progress = stack.enter_context(ShownProgress())
            if tensorboard:
                from lava_nbp.cli.tensorboard import TensorBoardLog

                progress = stack.enter_context(TensorBoardLog(folder, progress))
            result = run(experiment, folder, resume=resume, overwrite=overwrite, progress=progress)
    except (KeyboardInterrupt, SystemExit):
        number = stopping.received() or signal.SIGINT
        begun = (folder / CHECKPOINT).exists()
        where = f"; the last finished epoch is in {escape(str(folder))}; --resume goes on from there" if begun else ""
        with suppress(OSError):  # of a terminal that is gone
            ERR.print(stopping.WORDS[number] + where)
        raise typer.Exit(128 + number) from None
    _show(result)
    OUT.print(f"results: {escape(str(folder / 'result.json'))}")
    if plot:
        draw(folder)


def evaluate(
    run_dir: RunFolder,
    target: Annotated[
        str | None, typer.Option(help=f"What runs it; {_TARGETS}; default the run's.", show_default=False)
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Evaluate a run's weights on the test set."""
    from lava_nbp.runs.evaluate import evaluate_run

    with staged("samples") as stage:
        report = evaluate_run(run_dir, target, stage)
    if as_json:
        OUT.print_json(json.dumps(report))
        return
    OUT.print(accuracies({name: report[name] for name in ("last", "chosen") if name in report}))


def _show(result: dict[str, Any]) -> None:
    network = "-".join(map(str, result["layers"]))
    OUT.print(
        f"{result['dataset']} {network}, target {result['target']}, seed {result['seed']}: "
        f"{result['epochs']} epochs, {result['microseconds_per_sample']:.1f} us per training sample"
    )
    names = {"last": "last epoch", "chosen": "epoch chosen on validation", "best_on_test": "best epoch on the test set"}
    OUT.print(accuracies({names[key]: result[key] for key in names if result[key] is not None}))
    if result.get("gate_breaches"):
        OUT.print(
            f"note: {result['gate_breaches']} gate breaches in training: spikes outside the schedule that a spiking "
            f"executor and the chip fire too, and that the per-sample form leaves out (lava-nbp circuit tells where)"
        )
    published = DATA_SETS[result["dataset"]].folder if result["dataset"] in DATA_SETS else None
    if result.get("samples") == "generated" and published:
        OUT.print("note: the samples are generated ones; set LAVA_NBP_DATA for the published samples")
