"""Commands that show what there is: plot, report, compare, export, trace, circuit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from lava_nbp.base.checks import shown
from lava_nbp.base.targets import TARGETS, targets_of
from lava_nbp.cli.console import OUT, staged
from lava_nbp.cli.options import CIRCUIT, AsJSON, Network, RunFolder, Style, circuit_of
from lava_nbp.cli.tables import TableStyle, markdown, percent, table
from lava_nbp.errors import InputError
from lava_nbp.runs.export import FORMATS

_TRACEABLE = [name for name in targets_of("nbp") if not TARGETS[name].on_chip]
_SHOWN_OF_RUNS = [name for name in targets_of("eventprop") if "eventprop" in TARGETS[name].shows_spikes]


def plot(run_dir: RunFolder) -> None:
    """Draw a run's figures into its folder: raster, learning curve, weights, confusion matrix, and more."""
    draw(run_dir)


def draw(folder: Path) -> None:
    """Draw a run's figures, and say where they are."""
    from lava_nbp.runs.figures import plot_run

    with staged("figures") as stage:
        paths = plot_run(folder, stage=stage)
    for path in paths:
        OUT.print(f"{path.stem.replace('_', ' ')}: {escape(str(path))}")


def report(
    run_dir: Annotated[Path, typer.Argument(help="Folder of a training run, or of a study.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(help="File; default report.html in the run, study.html in the study.", show_default=False),
    ] = None,
) -> None:
    """Write a run as one HTML page that works offline: figures, tables, and the phase player; or a study."""
    from lava_nbp.runs.report.page import write_report
    from lava_nbp.runs.studies.folder import STUDY
    from lava_nbp.runs.studies.page import write_study_page

    with staged() as stage:
        path = (write_study_page if (run_dir / STUDY).exists() else write_report)(run_dir, out, stage)
    OUT.print(f"written: {escape(str(path))}")


def compare(
    run_dirs: Annotated[list[Path], typer.Argument(help="Folders of training runs.", show_default=False)],
    style: Style = TableStyle.text,
    as_json: AsJSON = False,
) -> None:
    """Put runs side by side: accuracy, time, parameters, spikes per inference, weight bits."""
    from lava_nbp.runs.compare import compare_runs

    rows = compare_runs(run_dirs)
    if as_json:
        OUT.print_json(json.dumps(rows))
        return
    head = ("run", "algorithm", "network", "accuracy", "epoch", "training", "us each", "weights", "spikes", "ACs")
    cells = [_compared(row) for row in rows]
    if style is TableStyle.markdown:
        print(markdown(head, cells, left=3))
        return
    OUT.print(table(head, cells, left=3, texts_wrap=True))
    OUT.print(
        "accuracy: test set, of the epoch chosen on validation, else the last; us each: per training sample; "
        "weights, spikes (behind the input) and accumulates (ACs): of an inference"
    )


def _compared(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["run"],
        f"{row['algorithm']}, {row['target']}",
        f"{row['dataset']} {row['network']}",
        percent(row["accuracy"]),
        f"{row['epoch']}/{row['epochs']}",
        f"{row['seconds']:.0f} s",
        f"{row['microseconds_per_sample']:.1f}",
        f"{row['parameters']} x {row['weight_bits']} bit",
        f"{row['spikes']:.1f}",
        f"{row['effective_acs']:.0f}",
    )


def export(
    run_dir: RunFolder,
    form: Annotated[str, typer.Option("--format", help=f"Format: {', '.join(FORMATS)}.")],
    out: Annotated[
        Path | None, typer.Option(help="File; default network.nir or network.net in the run.", show_default=False)
    ] = None,
    dt: Annotated[
        float | None,
        typer.Option(help="Step in ms, of EventProp in continuous time; default clocked.dt.", show_default=False),
    ] = None,
) -> None:
    """Write a run's inference network in an exchange format."""
    from lava_nbp.runs.export import export_run

    path, network = export_run(run_dir, form, out, dt)
    step = "nothing outlasts a step" if network.alpha == network.beta == 0 else f"steps of {network.dt:g} ms"
    OUT.print(f"{'-'.join(map(str, network.sizes))}, {step}")
    OUT.print(f"written: {escape(str(path))}")


def trace(
    target: Annotated[
        str, typer.Option(help=f"Executor: {', '.join(_TRACEABLE)}; of a run: {', '.join(_SHOWN_OF_RUNS)}.")
    ],
    out: Annotated[Path, typer.Option(help=".npz that gets spikes/<population> and weights/<name>.")],
    inputs: Annotated[
        Path | None,
        typer.Option(
            help=".npz with an array per source and per matrix of the circuit, by name; of nbp: x (n, n_in), "
            "labels (n,), W1 (n_in, n_hidden), W2 (n_hidden, n_out).",
            show_default=False,
        ),
    ] = None,
    circuit: Annotated[str | None, typer.Option(help=CIRCUIT, show_default="nbp")] = None,
    run: Annotated[
        Path | None, typer.Option(help="Instead of inputs: folder of an EventProp run.", show_default=False)
    ] = None,
    samples: Annotated[
        str | None, typer.Option(help="Of the run's test set, like 0-9 or 3,7,20-29.", show_default="0-9")
    ] = None,
) -> None:
    """Record every spike of every population, and every weight: of a circuit, or of an EventProp run."""
    for option, given, other, needed in (("circuit", circuit, inputs, "inputs"), ("samples", samples, run, "run")):
        if given is not None and other is None:
            raise InputError(f"--{option} is {shown(given)}, but goes with --{needed} only; leave it out")
    with staged("samples") as stage:
        if run is not None and inputs is None:
            from lava_nbp.runs.trace import trace_run

            result = trace_run(run, target, out, samples, stage)
        elif inputs is not None and run is None:
            from lava_nbp.executors.trace import trace_file

            result = trace_file(inputs, target, out, circuit or "nbp", stage)
        else:
            raise InputError("a trace is of --inputs, of a circuit, or of --run, of EventProp; give one of them")
    rasters = [rows for key, rows in result.items() if key.startswith("spikes/")]
    spikes = sum(int(rows.sum()) for rows in rasters)
    steps = f"{len(rasters[0])} steps" if run is None else f"{rasters[0].shape[1]} steps of {len(rasters[0])} samples"
    OUT.print(f"{spikes} spikes in {steps}: {escape(str(out))}")


def circuit(
    name: Annotated[str, typer.Argument(help=CIRCUIT)] = "nbp",
    network: Network = None,
    style: Style = TableStyle.text,
) -> None:
    """Print a circuit's phase table."""
    made = circuit_of(name, network)
    if style is TableStyle.markdown:
        print(made.table("markdown"))
        return
    print(made.table())
    sizes = "-".join(map(str, made.layers))
    print(f"\n{sizes}: {made.n_neurons} neurons, {made.n_synapses} synapses, {made.n_dense_synapses} of them dense")
    bounds = made.breach_bounds()
    if bounds:
        print("\nGate breaches are possible where the weights are large enough (executors count them):")
        for bound in bounds:
            print(f"  {bound}")
    else:
        print("\nNo weights can breach a gate in a network of this size.")
