"""The report of a training run: what is on the page; page.html.j2 says how it looks."""

from __future__ import annotations

import base64
import importlib.metadata
import json
import platform
import tempfile
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from lava_nbp.runs.figures import plot_run
from lava_nbp.base.files import write_atomically
from lava_nbp.loihi.plan import cures, make_plan
from lava_nbp.loihi.resources import limits_of
from lava_nbp.nbp.circuit import training_circuit
from lava_nbp.nbp.executor import one_hot
from lava_nbp.seeing.plan import core_map
from lava_nbp.runs.report.player import Shown, player_data
from lava_nbp.base.progress import Stage, untold
from lava_nbp.training.checkpoint import Checkpoint
from lava_nbp.training.config import NBPExperiment
from lava_nbp.runs.train import load_result, load_run

#: File name inside a run's folder.
REPORT = "report.html"
#: Samples of each kind, right and wrong, for the phase player.
_OF_EACH = 3
_CHIP = "loihi1"
_VERSIONS = ("lava-nbp", "lava-nc", "lava-dl", "numpy", "numba", "scipy", "torch", "matplotlib")
#: Figures by the name of their file: what the page says of them.
_CAPTIONS = {
    "learning_curve": "Accuracy against epochs.",
    "confusion_matrix": "How often each class (rows) was answered as each (columns).",
    "weights": "Distribution of the weights.",
    "weight_images": "First-layer weights of some neurons, as images: purple is negative, orange positive.",
    "raster": "Spikes; the title names the samples.",
    "raster_wrong": "Spikes of a sample that is answered wrong.",
    "gradient_check": "Gradient against central differences of the loss.",
    "class_map": "What the network says over the plane.",
    "clocked_error": "Error of fixed steps.",
    "plan": "Cores of the plan, coloured by their scarcest resource.",
}
_RASTERS = ("raster", "raster_wrong", "gradient_check", "class_map", "clocked_error")


@dataclass
class Table:
    """Rows, and their headings."""

    rows: list[tuple[Any, ...]]
    head: tuple[str, ...] = ()


@dataclass
class Section:
    """A part of the page."""

    id: str
    title: str
    texts: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    figures: list[dict[str, str]] = field(default_factory=list)
    code: str = ""
    player: dict[str, Any] | None = None


def write_report(folder: Path, out: Path | None = None, stage: Stage = untold) -> Path:
    """Write the report of a finished run: one HTML file without links to anything outside.

    Parameters
    ----------
    folder : path
        The run.
    out : path, optional
        Default: report.html in the run's folder.
    stage : Stage
        Is told of figures and parts.

    Raises
    ------
    LavaNBPError
        For a run that is not finished or cannot be read, data that are missing, or a file that cannot be written.
    """
    state, config = load_run(folder)
    result = load_result(folder)
    with tempfile.TemporaryDirectory() as made:
        figures = {path.stem: _embedded(path) for path in plot_run(folder, Path(made), stage)}
        sections = [
            Section("result", "Result", tables=_result(result)),
            Section("curves", "Learning", figures=_of(figures, "learning_curve", "confusion_matrix")),
            Section("weights", "Weights", figures=_of(figures, "weight_images", "weights")),
            Section("spikes", "Spikes", figures=_of(figures, *_RASTERS)),
        ]
        if isinstance(config, NBPExperiment):
            stage("phase player", 0, 2)
            sections += _phases(state, config)
            stage("plan", 1, 2)
            sections.append(_plan(state, config, Path(made)))
        else:
            sections.append(
                Section("plan", "On a chip", [f"{config.algorithm} has no lowering to the chip, so there is no plan."])
            )
        sections += [
            Section("configuration", "Configuration", code=json.dumps(state.config, indent=2)),
            Section("versions", "Versions", tables=[_versions()]),
        ]
        page = _render(_title(result), _summary(result), sections)
    path = out or folder / REPORT
    write_atomically(path, page.encode())
    return path


def _render(title: str, summary: str, sections: list[Section]) -> str:
    here = files("lava_nbp.runs.report")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(here.joinpath("page.html.j2").read_text())
    script = Markup(here.joinpath("player.js").read_text())
    return template.render(title=title, summary=summary, sections=sections, script=script)


def _embedded(path: Path) -> dict[str, str]:
    return {
        "source": "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode(),
        "caption": _CAPTIONS[path.stem],
    }


def _of(figures: dict[str, dict[str, str]], *names: str) -> list[dict[str, str]]:
    return [figures[name] for name in names if name in figures]


def _title(result: dict[str, Any]) -> str:
    network = "-".join(map(str, result["layers"]))
    return f"{result['algorithm']}: {result['dataset']} {network}, seed {result['seed']}"


def _summary(result: dict[str, Any]) -> str:
    return (
        f"{result['epochs']} epochs of {result['training_samples']} samples with target {result['target']}, "
        f"{result['seconds']:.1f} s in all, {result['microseconds_per_sample']:.1f} µs per training sample, "
        f"{result['peak_memory_mb']:.0f} MB at most."
    )


def _result(result: dict[str, Any]) -> list[Table]:
    """Accuracies of the three epochs, what NeuroBench measures of inference, and the rest of result.json."""
    epochs = {
        "last": "last epoch",
        "chosen": "epoch chosen on validation",
        "best_on_test": "best epoch on the test set",
    }
    keys = [key for key in result["last"] if key != "epoch"]
    rows = [
        (title, result[name]["epoch"], *(_percent(result[name][key]) for key in keys))
        for name, title in epochs.items()
        if result[name] is not None
    ]
    accuracies = Table(rows, ("test set", "epoch", *(key.removeprefix("test_").replace("_", " ") for key in keys)))
    inference = Table(
        [(key.replace("_", " "), _number(value)) for key, value in result["inference"].items()],
        ("inference network (NeuroBench's definitions; operations and spikes per sample)", ""),
    )
    shown = ("samples", "gate_breaches", "hidden_spikes", "silent_neurons", "silent_labels", "clipped_denominators")
    others = [(key.replace("_", " "), result[key]) for key in shown if result.get(key) is not None]
    return [accuracies, inference, *([Table(others, ("all epochs", ""))] if others else [])]


def _percent(value: float | None) -> str:
    return "not seen" if value is None else f"{100 * value:.2f} %"


def _number(value: float) -> float:
    return value if isinstance(value, int) else float(f"{value:.6g}")


def _phases(state: Checkpoint, config: NBPExperiment) -> list[Section]:
    from lava_nbp.executors.make import make_executor
    from lava_nbp.training.nbp.learner import load_run_data

    dataset = load_run_data(config)
    weights = state.chosen or state.weights
    n_in, n_hidden, n_out = state.layers
    variant = {"guarded": config.network.guarded, "chip_order": config.network.chip_order}
    circuit = training_circuit(n_in, n_hidden, n_out, **variant)
    with make_executor("sample", (n_in, n_hidden, n_out), weights) as executor:
        spikes = executor.infer(dataset.test.x).spikes
    right = (spikes == one_hot(dataset.test.y, n_out)).all(axis=1)
    chosen = [*np.flatnonzero(~right)[:_OF_EACH], *np.flatnonzero(right)[:_OF_EACH]]
    samples = [
        Shown(int(k), int(dataset.test.y[k]), int(spikes[k].argmax()), dataset.test.x[k], bool(right[k]))
        for k in chosen
    ]
    cells = [line.strip("| ").split(" | ") for line in circuit.table("markdown").splitlines()]
    rows = [tuple(cell.strip() for cell in line) for line in cells[2:]]
    legend = [
        "Every square is a neuron; those that fire in this step are lit, and their number stands above. Lines carry "
        "the spikes of the step before (or of an earlier one, where they have a delay): blue are the dense weights, "
        "green copies, orange dashes cancel, pink opens gates, black inhibits. Connections on a broad grey rail are "
        "plastic; the rail turns red, with +2 or -2, in the phases in which both ends are scheduled. Arrow keys step, "
        "too.",
        "Each sample is run as a training sample, from silence and the weights of this run.",
    ]
    return [
        Section(
            "player-section",
            "Phase player",
            legend,
            player=player_data(circuit.name, weights, samples, dataset.classes),
        ),
        Section(
            "phases", "Phases", tables=[Table(rows, ("phase", "chain", "fires", "inhibited", "learns", "meaning"))]
        ),
    ]


def _plan(state: Checkpoint, config: NBPExperiment, made: Path) -> Section:
    n_in, n_hidden, n_out = state.layers
    plan = make_plan(training_circuit(n_in, n_hidden, n_out, guarded=config.network.guarded), _CHIP, "auto")
    e = plan.estimate
    texts = [
        f"On {plan.board.name}: {plan.n_cores} of {plan.board.cores} neurocores, {plan.lowered.n_neurons} neurons, "
        f"{plan.lowered.circuit.n_synapses} synapses; placement {plan.placement_name}. "
        + ("It fits." if plan.fits else "It does not fit: " + "; ".join([*plan.problems, *cures(plan)])),
        f"Estimate, not a measurement: {e.milliseconds:.2f} ms and {e.millijoules:.4f} mJ per training sample.",
    ]
    rows = [
        (name.replace("_", " "), int(plan.used[name].max()), limit, int(plan.used[name].sum()))
        for name, limit in limits_of(plan.board.chip).items()
    ]
    table = Table(rows, ("resource of a core", "fullest core", "limit", "all cores"))
    figure = _embedded(core_map(plan, made / "plan.png"))
    return Section("plan", "On a chip", texts, [table], [figure])


def _versions() -> Table:
    rows: list[tuple[Any, ...]] = [("python", platform.python_version()), ("system", platform.system())]
    for name in _VERSIONS:
        try:
            rows.append((name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            rows.append((name, "not installed"))
    return Table(rows)
