"""The report of a training run: what is on the page; page.html.j2 says how it looks."""

from __future__ import annotations

import json
import platform
import tempfile
from collections.abc import Mapping
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from lava_nbp.base.files import AnyPath, as_path, check_output, write_atomically
from lava_nbp.base.lava_repair import found_version
from lava_nbp.base.progress import Stage, untold
from lava_nbp.base.registry import resolve
from lava_nbp.runs.figures import draw_all, drawings_of
from lava_nbp.runs.recordings import EVENT_FIGURES, event_table
from lava_nbp.training.run import Run, load_result, load_run
from lava_nbp.training.sections import Section, Table, embedded

#: File name inside a run's folder.
REPORT = "report.html"
_VERSIONS = ("lava-nbp", "lava-nc", "lava-dl", "numpy", "numba", "scipy", "torch", "matplotlib")
#: Where on the page the figures of every run are; those of recordings have a part of their own, and those that its
#: algorithm adds are under "Spikes".
_CURVES, _WEIGHTS = ("learning_curve", "confusion_matrix"), ("weight_images", "weights")

#: Figures as `Section.figures` has them, by name.
_Figures = Mapping[str, dict[str, str]]


def write_report(folder: AnyPath, out: AnyPath | None = None, stage: Stage = untold) -> Path:
    """Write the report of a finished run: one HTML file without links to anything outside.

    The test set is inferred once for all of it.

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
    folder = as_path(folder, "folder of a run")
    path = folder / REPORT if out is None else as_path(out, "file of the report")
    run = load_run(folder)
    result = load_result(folder, "best_on_test", "training_samples", "peak_memory_mb")
    check_output(path)
    run.infer(partial(stage, "test set"))
    sections = [
        Section("result", "Result", tables=_result(run, result)),
        *_drawn(_figures(run, stage), event_table(run)),
        *_added(run, stage),
        Section("configuration", "Configuration", code=json.dumps(run.state.config, indent=2)),
        Section("versions", "Versions", tables=[versions()]),
    ]
    page = render_page(_title(result), _summary(result), sections)
    write_atomically(path, page.encode())
    return path


def render_page(title: str, summary: str, sections: list[Section]) -> str:
    """The page as HTML: a title, a sentence, and sections below each other."""
    here = files("lava_nbp.runs.report")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(here.joinpath("page.html.j2").read_text())
    script = Markup(here.joinpath("player.js").read_text())
    return template.render(title=title, summary=summary, sections=sections, script=script)


def _figures(run: Run, stage: Stage) -> _Figures:
    drawings = drawings_of(run)
    with tempfile.TemporaryDirectory() as made:
        paths = draw_all(drawings, Path(made), stage)
        return {path.stem: embedded(path, drawings[path.stem].caption) for path in paths}


def _drawn(figures: _Figures, events: Table | None) -> list[Section]:
    """The sections that are figures; without any, a section is left out."""
    elsewhere = (*_CURVES, *_WEIGHTS, *EVENT_FIGURES)
    parts: tuple[tuple[str, str, tuple[str, ...], list[Table]], ...] = (
        ("curves", "Learning", _CURVES, []),
        ("recordings", "Recordings", EVENT_FIGURES, [events] if events is not None else []),
        ("weights", "Weights", _WEIGHTS, []),
        ("spikes", "Spikes", tuple(name for name in figures if name not in elsewhere), []),
    )
    sections = [
        Section(id_, title, tables=tables, figures=[figures[name] for name in names if name in figures])
        for id_, title, names, tables in parts
    ]
    return [section for section in sections if section.figures]


def _added(run: Run, stage: Stage) -> list[Section]:
    """What the run's algorithm has to show, and something on chips in any case."""
    algorithm = run.algorithm
    sections: list[Section] = resolve(algorithm.sections)(run, stage) if algorithm.sections is not None else []
    if all(section.id != "plan" for section in sections):
        text = f"{algorithm.name} has no lowering to the chip, so there is no plan."
        sections = [*sections, Section("plan", "On a chip", [text])]
    return sections


def _title(result: dict[str, Any]) -> str:
    network = "-".join(map(str, result["layers"]))
    return f"{result['algorithm']}: {result['dataset']} {network}, seed {result['seed']}"


def _summary(result: dict[str, Any]) -> str:
    return (
        f"{result['epochs']} epochs of {result['training_samples']} samples with target {result['target']}, "
        f"{result['seconds']:.1f} s in all, {result['microseconds_per_sample']:.1f} µs per training sample, "
        f"{result['peak_memory_mb']:.0f} MB at most."
    )


def _result(run: Run, result: dict[str, Any]) -> list[Table]:
    """Accuracies of the three epochs, what NeuroBench measures of inference, and what the algorithm sums up."""
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
    sums = run.learner.sums(run.state.history)
    others = [(key.replace("_", " "), value) for key, value in sums.items() if value is not None]
    return [accuracies, inference, *([Table(others, ("all epochs", ""))] if others else [])]


def _percent(value: float | None) -> str:
    return "not seen" if value is None else f"{100 * value:.2f} %"


def _number(value: float) -> float:
    return value if isinstance(value, int) else float(f"{value:.6g}")


def versions() -> Table:
    """What a page says of the Python, the system and the packages it was made with."""
    rows: list[tuple[Any, ...]] = [("python", platform.python_version()), ("system", platform.system())]
    rows += [(name, found_version(name) or "not installed") for name in _VERSIONS]
    return Table(rows)
