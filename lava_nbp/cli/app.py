"""The command line: train, evaluate, compare, export, report, trace, bench, circuit, plan, faults, doctor, plot."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from lava_nbp.base.targets import CHIP_TARGETS, EVENTPROP_TARGETS, NBP_TARGETS
from lava_nbp.base.targets import TARGETS_HERE as TARGETS
from lava_nbp.base.widths import BOARDS
from lava_nbp.cli.console import ERR as _err
from lava_nbp.cli.console import FIGURES, ShownProgress, staged
from lava_nbp.cli.console import OUT as _out
from lava_nbp.errors import InputError, LavaNBPError, unknown_name
from lava_nbp.nbp.faults import KINDS
from lava_nbp.runs.train import Progress

# Modules that are slow to import (Lava, numba, matplotlib) are imported by the commands that need them.

app = typer.Typer(
    name="lava-nbp",
    help="On-chip learning with exact gradients (nBP, EventProp), for Lava and Loihi.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_INTERRUPTED = 130


class CircuitChoice(str, Enum):
    """Circuits."""

    nbp = "nbp"
    guarded = "nbp-guarded"
    chip = "nbp-chip"
    chip_guarded = "nbp-chip-guarded"
    inference = "inference"


class ExportFormat(str, Enum):
    """Exchange formats."""

    nir = "nir"
    netx = "netx"


class TableStyle(str, Enum):
    """Ways to print a table."""

    text = "text"
    markdown = "markdown"


def _known_target(value: str) -> str:
    if value in CHIP_TARGETS:
        raise InputError(f"--target is {value!r}, but a chip sends the output's spikes only; trace with lava-stock")
    if value not in TARGETS:
        raise InputError(unknown_name("--target", value, TARGETS))
    return value


RunFolder = Annotated[Path, typer.Argument(help="Folder of a training run.", show_default=False)]


@app.command()
def train(
    config: Annotated[
        Path, typer.Argument(help="Experiment, a TOML file like run_configs/digits.toml.", show_default=False)
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Override a key, like data.validation=5000 or target=lava; repeatable."
        ),
    ] = None,
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
    except KeyboardInterrupt:
        _err.print(f"interrupted; the last finished epoch is in {escape(str(folder))}; --resume goes on from there")
        raise typer.Exit(_INTERRUPTED) from None
    _show_result(result)
    _out.print(f"results: {escape(str(folder / 'result.json'))}")
    if plot:
        _show_figures(folder)


@app.command()
def evaluate(
    run_dir: RunFolder,
    target: Annotated[
        str | None,
        typer.Option(
            help=f"nBP: {', '.join(NBP_TARGETS)}; EventProp: {', '.join(EVENTPROP_TARGETS)}; default the run's.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Evaluate a run's weights on the test set."""
    from lava_nbp.runs.train import evaluate_run

    with staged("samples") as stage:
        report = evaluate_run(run_dir, target, stage)
    if as_json:
        _out.print_json(json.dumps(report))
        return
    _show_accuracies({name: report[name] for name in ("last", "chosen") if name in report})


@app.command()
def compare(
    run_dirs: Annotated[list[Path], typer.Argument(help="Folders of training runs.", show_default=False)],
    style: Annotated[TableStyle, typer.Option(help="How to print.")] = TableStyle.text,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Put runs side by side: accuracy, time, parameters, spikes per inference, weight bits."""
    from lava_nbp.runs.compare import compare_runs

    rows = compare_runs(run_dirs)
    if as_json:
        _out.print_json(json.dumps(rows))
        return
    head = ("run", "algorithm", "network", "accuracy", "epoch", "training", "us each", "weights", "spikes", "ACs")
    cells = [
        (
            row["run"], f"{row['algorithm']}, {row['target']}", f"{row['dataset']} {row['network']}",
            f"{100 * row['accuracy']:.2f} %", f"{row['epoch']}/{row['epochs']}", f"{row['seconds']:.0f} s",
            f"{row['microseconds_per_sample']:.1f}", f"{row['parameters']} x {row['weight_bits']} bit",
            f"{row['spikes']:.1f}", f"{row['effective_acs']:.0f}",
        )
        for row in rows
    ]  # fmt: skip
    if style is TableStyle.markdown:
        for line in (head, ("---",) * 3 + ("--:",) * 7, *cells):
            print(f"| {' | '.join(line)} |")
        return
    table = Table()
    for k, heading in enumerate(head):
        table.add_column(heading, overflow="fold", justify="left" if k < 3 else "right", no_wrap=k >= 3)
    for line in cells:
        table.add_row(*map(escape, line))
    _out.print(table)
    _out.print(
        "accuracy: test set, of the epoch chosen on validation, else the last; us each: per training sample; "
        "weights, spikes (behind the input) and accumulates (ACs): of an inference"
    )


@app.command()
def export(
    run_dir: RunFolder,
    form: Annotated[ExportFormat, typer.Option("--format", help="nir: NIR graph; netx: file of lava-dl.")],
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

    path, network = export_run(run_dir, form.value, out, dt)
    step = "nothing outlasts a step" if network.alpha == network.beta == 0 else f"steps of {network.dt:g} ms"
    _out.print(f"{'-'.join(map(str, network.sizes))}, {step}")
    _out.print(f"written: {escape(str(path))}")


@app.command()
def report(
    run_dir: RunFolder,
    out: Annotated[Path | None, typer.Option(help="File; default report.html in the run.", show_default=False)] = None,
) -> None:
    """Write a run as one HTML page that works offline: figures, tables, and the phase player."""
    from lava_nbp.runs.report import write_report

    with staged() as stage:
        path = write_report(run_dir, out, stage)
    _out.print(f"written: {escape(str(path))}")


@app.command()
def trace(
    inputs: Annotated[
        Path, typer.Option(help=".npz with x (n, n_in), labels (n,), W1 (n_in, n_hid), W2 (n_hid, n_out).")
    ],
    target: Annotated[str, typer.Option(help=f"Executor: {', '.join(TARGETS)}.", callback=_known_target)],
    out: Annotated[Path, typer.Option(help=".npz that gets spikes/<population> and weights/<name>.")],
    circuit: Annotated[CircuitChoice, typer.Option(help="Circuit.")] = CircuitChoice.nbp,
) -> None:
    """Record every spike of every population, and every weight after the last phase."""
    from lava_nbp.executors.trace import trace_file

    with staged("samples") as stage:
        result = trace_file(inputs, target, out, circuit.value, stage)
    steps = len(result["spikes/g00"])
    n_spikes = sum(int(rows.sum()) for key, rows in result.items() if key.startswith("spikes/"))
    _out.print(f"{n_spikes} spikes in {steps} steps: {escape(str(out))}")


@app.command()
def bench(
    network: Annotated[str, typer.Option(help="Layer sizes.")] = "400-400-10",
    out: Annotated[Path, typer.Option(help="JSON file to write.")] = Path("bench.json"),
) -> None:
    """Time every executor on the same samples and weights."""
    from lava_nbp.base.files import write_atomically
    from lava_nbp.executors.bench import bench as run

    layers = _layers(network)
    with staged() as stage:
        report = run(layers, stage=stage)
    write_atomically(out, (json.dumps(report, indent=2) + "\n").encode())
    table = Table(title=f"training, {network}, {report['data']}; all executors agree")
    table.add_column("executor", no_wrap=True)
    for heading in (
        "us / sample",
        "x NumPy loop",
        "spikes",
        "synaptic events",
        "updates",
        "gate breaches",
        "W in + out",
    ):
        table.add_column(heading, justify="right")
    for row in report["executors"]:
        table.add_row(
            row["executor"],
            f"{row['microseconds_per_sample']:.1f}",
            f"{row['times_faster_than_numpy_loop']:.2f}",
            *(f"{row[f'{key}_per_sample']:.0f}" for key in ("spikes", "synaptic_events", "updates")),
            f"{row['gate_breaches_per_sample']:.2f}",
            f"{row['weights_in_and_out_ms']:.1f} ms",
        )
    _out.print(table)
    _out.print("spikes, synaptic events, updates, breaches: per sample, as that executor does them")
    parts = report["primitives"]
    for key, name in (("primitives", "network of primitives"), ("stock", "network of Lava's stock processes")):
        row = parts[key]
        _out.print(
            f"{name}, {'-'.join(map(str, parts['layers']))}: {row['processes']} Lava processes, "
            f"{row['ms_per_step']:.2f} ms per step, {row['times_one_process']:.1f} times that of one process "
            f"({parts['one_process']['ms_per_step']:.2f} ms); start {row['start_seconds']:.2f} s, stop "
            f"{row['stop_seconds']:.2f} s"
        )
    exact = report["eventprop"]
    mnist = exact.get("mnist_ms_per_sample")
    _out.print(
        f"EventProp, one thread: Yin-Yang 5-200-3, batch 32, {exact['yinyang_data']}: "
        f"{exact['yinyang_seconds_per_epoch']:.3f} s per epoch of 5000, {exact['times_faster_than_oracle']:.0f} times "
        f"faster than the oracle, gradients within {exact['gradient_error']:.0e} of it, and the oracle's within "
        f"{exact['oracle_error']:.0e} of central differences; MNIST 784-350-10, batch 5: "
        + (f"{mnist:.2f} ms per sample" if mnist else "not measured, its files are not there")
    )
    _out.print(
        f"EventProp in integers, dt 0.5 ms, ms per training sample: clocked 5-200-3 "
        f"{exact['clocked_ms_per_sample']:.2f}, "
        f"one Lava process {exact['lava_ms_per_sample']:.2f}; every message on Lava, 5-30-3, "
        f"{exact['lava_primitives_ms_per_sample']:.0f}"
    )
    _out.print(f"written: {escape(str(out))}")


@app.command()
def circuit(
    name: Annotated[CircuitChoice, typer.Argument(help="Which circuit.")] = CircuitChoice.nbp,
    network: Annotated[str, typer.Option(help="Layer sizes.")] = "400-400-10",
    style: Annotated[TableStyle, typer.Option(help="How to print.")] = TableStyle.text,
) -> None:
    """Print a circuit's phase table."""
    from lava_nbp.nbp.circuit import CIRCUITS

    made = CIRCUITS[name.value](*_layers(network))
    if style is TableStyle.markdown:
        print(made.table("markdown"))
        return
    print(made.table())
    print(f"\n{network}: {made.n_neurons} neurons, {made.n_synapses} synapses, {made.n_dense_synapses} of them dense")
    bounds = made.breach_bounds()
    if bounds:
        print("\nGate breaches are possible where the weights are large enough (executors count them):")
        for bound in bounds:
            print(f"  {bound}")
    else:
        print("\nNo weights can breach a gate in a network of this size.")


@app.command()
def plan(
    config: Annotated[
        Path, typer.Argument(help="Experiment, a TOML file like run_configs/mnist.toml.", show_default=False)
    ],
    chip: Annotated[str, typer.Option(help=f"Chip or board: {', '.join(BOARDS)}.")] = "loihi1",
    placement: Annotated[
        str, typer.Option(help="paper: spread as its authors did; packed: on few cores; auto: the first that fits.")
    ] = "auto",
    inference: Annotated[bool, typer.Option("--inference", help="Plan the network that only infers.")] = False,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key; repeatable.")
    ] = None,
    picture: Annotated[Path, typer.Option(help="File to draw the core map to.")] = Path("plan.png"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and draw nothing.")] = False,
) -> None:
    """Plan a network on a chip: cores, resources, what does not fit, and what would make it fit."""
    from lava_nbp.loihi.plan import cures, make_plan
    from lava_nbp.nbp.circuit import inference_circuit, training_circuit
    from lava_nbp.training.config import NBPExperiment, load_config
    from lava_nbp.training.nbp.learner import layers_of

    experiment = load_config(config, settings or [])
    if not isinstance(experiment, NBPExperiment):
        raise InputError(
            f"{config} is an experiment of {experiment.algorithm}, which has no lowering to the chip yet; "
            f"plan one of nbp, like run_configs/mnist.toml"
        )
    layers = layers_of(experiment)
    circuit = inference_circuit(*layers) if inference else training_circuit(*layers, guarded=experiment.network.guarded)
    made = make_plan(circuit, chip, placement)
    would = cures(made)
    if as_json:
        _out.print_json(json.dumps({**made.as_dict(), "cures": would}))
        return
    from lava_nbp.seeing.plan import core_map, print_plan

    print_plan(_out, made, would)
    _out.print(f"core map: {escape(str(core_map(made, picture)))}")
    if circuit.learning and not experiment.network.chip_order:
        _out.print("note: the chip delivers spikes before it learns; network.chip_order = true trains the same way")


@app.command()
def faults(
    run_dir: RunFolder,
    kind: Annotated[
        list[str] | None, typer.Option(help=f"Kind of fault, repeatable: {', '.join(KINDS)}; default all.")
    ] = None,
    rates: Annotated[str, typer.Option(help="Shares or probabilities.")] = "0.001,0.003,0.01,0.03,0.1,0.3",
    epochs: Annotated[int, typer.Option(min=0, help="Epochs of learning with the faults.")] = 1,
    target: Annotated[str, typer.Option(help="sample or spiking.")] = "sample",
) -> None:
    """Break a trained network, and let it learn on: accuracy against fault rate, before and after."""
    from lava_nbp.runs.faults import sweep_run

    with ShownProgress() as progress:
        report, paths = sweep_run(run_dir, kind or KINDS, _numbers(rates), epochs, target, progress)
    table = Table(title=f"test accuracy by spikes; without faults {100 * report['without']:.2f} %")
    for heading in ("fault", "rate", "as they come", f"after {epochs} epoch(s)"):
        table.add_column(heading, justify="left" if heading == "fault" else "right")
    for row in report["rows"]:
        table.add_row(row["kind"], f"{row['rate']:g}", *(f"{100 * row[key]:.2f} %" for key in ("before", "after")))
    _out.print(table)
    for path in paths:
        _out.print(f"written: {escape(str(path))}")


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--rates is {text!r}, but must be numbers in 0 .. 1 with commas between them") from None


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Look at this machine: what is here, what is missing, and the cure."""
    from lava_nbp.cli.doctor import examine

    findings = examine()
    if as_json:
        _out.print_json(json.dumps([finding.as_dict() for finding in findings]))
    else:
        for finding in findings:
            _out.print(escape(str(finding)), highlight=False)
    if any(finding.state == "missing" and finding.needed for finding in findings):
        raise typer.Exit(1)


@app.command()
def plot(run_dir: RunFolder) -> None:
    """Draw a run's figures into its folder: raster, learning curve, weights, confusion matrix, and more."""
    _show_figures(run_dir)


def _show_figures(folder: Path) -> None:
    from lava_nbp.runs.figures import plot_run

    with staged("figures") as stage:
        paths = plot_run(folder, stage=stage)
    for path in paths:
        _out.print(f"{path.stem.replace('_', ' ')}: {escape(str(path))}")


def _layers(text: str) -> tuple[int, int, int]:
    parts = text.split("-")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        raise InputError(f"network is {text!r}, but must be three sizes like 400-400-10")
    n_in, n_hidden, n_out = (int(part) for part in parts)
    return n_in, n_hidden, n_out


def _show_result(result: dict[str, Any]) -> None:
    network = "-".join(map(str, result["layers"]))
    _out.print(
        f"{result['dataset']} {network}, target {result['target']}, seed {result['seed']}: "
        f"{result['epochs']} epochs, {result['microseconds_per_sample']:.1f} us per training sample"
    )
    names = {"last": "last epoch", "chosen": "epoch chosen on validation", "best_on_test": "best epoch on the test set"}
    _show_accuracies({names[key]: result[key] for key in names if result[key] is not None})
    if result.get("gate_breaches"):
        _out.print(
            f"note: {result['gate_breaches']} gate breaches in training: spikes outside the schedule that a spiking "
            f"executor and the chip fire too, and that the per-sample form leaves out (lava-nbp circuit tells where)"
        )
    if result.get("samples") == "generated":
        _out.print("note: the samples are generated ones; set LAVA_NBP_DATA for the published samples")


def _show_accuracies(rows: dict[str, dict[str, Any]]) -> None:
    table = Table()
    keys = [key for key in FIGURES if key in next(iter(rows.values()))]
    table.add_column("test set")
    for key in keys:
        table.add_column(FIGURES[key], justify="right")
    for name, row in rows.items():
        label = f"{name} ({row['epoch']})" if "epoch" in row else name
        table.add_row(label, *("not seen" if row[key] is None else f"{100 * row[key]:.2f} %" for key in keys))
    _out.print(table)


def main() -> None:
    """Entry point: one line for every expected error, exit code 2; 130 after Ctrl-C."""
    signal.signal(signal.SIGTERM, _terminate)
    command: Callable[..., Any] = typer.main.get_command(app)
    try:
        code = command(standalone_mode=False)
    except LavaNBPError as error:
        _err.print(f"error: {escape(str(error))}", highlight=False)
        code = 2
    except (KeyboardInterrupt, typer.Abort):
        _err.print("interrupted")
        code = _INTERRUPTED
    except Exception as error:
        show = getattr(error, "show", None)  # a usage error of the command line
        if show is None:
            raise
        show()
        code = int(getattr(error, "exit_code", 2))
    sys.exit(code if isinstance(code, int) else 0)


def _terminate(number: int, frame: object) -> None:
    # As an exception, so that checkpoints and children are left in order.
    raise SystemExit(128 + number)
