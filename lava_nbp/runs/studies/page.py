"""The page of a study: its conditions, every seed, learning curves with their spread."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from lava_nbp.base.files import AnyPath, as_path, check_output, write_atomically
from lava_nbp.base.progress import Stage, untold
from lava_nbp.errors import CheckpointError
from lava_nbp.runs.report.page import render_page, versions
from lava_nbp.runs.studies.folder import StudyFolder, load_study
from lava_nbp.runs.studies.measures import MEASURES, curve
from lava_nbp.runs.studies.statistics import Condition, conditions
from lava_nbp.runs.studies.tables import condition_table
from lava_nbp.seeing.study_plot import MOST, seeds_by_condition, spread_curves
from lava_nbp.training.sections import Section, Table, embedded

#: File name inside a study's folder.
PAGE = "study.html"


def write_study_page(folder: AnyPath, out: AnyPath | None = None, stage: Stage = untold) -> Path:
    """Write the page of a study, finished or not: one HTML file without links to anything outside.

    Parameters
    ----------
    folder : path
        The study.
    out : path, optional
        Default: study.html in its folder.
    stage : Stage
        Is told of its parts.

    Raises
    ------
    CheckpointError
        If no trial is finished, or one cannot be read.
    OutputError
        If the file cannot be written.
    """
    study = load_study(folder)
    path = study.path / PAGE if out is None else as_path(out, "file of the page")
    check_output(path)
    stage("trials", 0, 3)
    found = [c for c in conditions(study) if c.values]
    if not found:
        raise CheckpointError(f"{study.path} has no finished trial; go on with lava-nbp study --resume")
    stage("figures", 1, 3)
    figures = _figures(study, found)
    stage("page", 2, 3)
    head, rows, _ = condition_table(found)
    states = [row["state"] for row in study.rows]
    failed = [(row["trial"], row["reason"]) for row in study.rows if row["reason"]]
    sections = [
        Section("result", "Result", [_about(found[0].measure)], [Table(rows, head)]),
        Section("curves", "Every seed", figures=figures),
        Section("trials", "Trials", tables=[_trials(study)]),
        *([Section("failed", "Failed", tables=[Table(failed, ("trial", "why"))])] if failed else []),
        Section("configuration", "Configuration", ["Of the first trial; the tables say in what the others differ."],
                code=json.dumps(study.study.trials[0].content, indent=2)),
        Section("versions", "Versions", tables=[versions()]),
    ]  # fmt: skip
    summary = (
        f"{len(states)} trials, of which {states.count('finished')} are finished and {states.count('failed')} failed."
    )
    write_atomically(path, render_page(f"Study: {study.study.name}", summary, sections).encode())
    return path


def _about(measure: str) -> str:
    what = f"{measure.replace('_', ' ')}: {MEASURES[measure].what}."
    return f"{what} Mean, standard deviation, 95 % bootstrap interval of the mean, median, and every seed."


def _name(condition: Condition) -> str:
    return ", ".join(f"{key.rpartition('.')[2]} {value}" for key, value in condition.settings.items()) or "all"


def _figures(study: StudyFolder, found: list[Condition]) -> list[dict[str, str]]:
    """Learning curves and every seed's figure, of as many conditions as there is room for."""
    shown, scale = found[:MOST], 100 if MEASURES[found[0].measure].share else 1
    label = found[0].measure.replace("_", " ") + (" (%)" if scale == 100 else "")
    left = f" The first {MOST} of {len(found)} conditions." if len(found) > MOST else ""
    with tempfile.TemporaryDirectory() as made:
        curves = {_name(c): _curves(study, c) for c in shown}
        learned = spread_curves(curves, Path(made) / "curves.png", "validation accuracy, else of the test set (%)")
        values = {_name(c): [scale * value for value in c.values] for c in shown}
        each = seeds_by_condition(values, Path(made) / "seeds.png", label)
        return [
            embedded(learned, f"Mean, least and greatest of the seeds, and each of them.{left}"),
            embedded(each, f"Every seed is a dot; the line is their mean.{left}"),
        ]


def _curves(study: StudyFolder, condition: Condition) -> list[list[float]]:
    """In percent, of every finished trial of a condition."""
    trials = zip(study.study.trials, study.rows, strict=True)
    return [
        [100 * value for value in curve(study.run_of(trial))]
        for trial, row in trials
        if row["state"] == "finished" and all(row[key] == value for key, value in condition.settings.items())
    ]


def _trials(study: StudyFolder) -> Table:
    keys = [*study.study.keys, "state", "epoch", *MEASURES]
    rows: list[tuple[Any, ...]] = [(row["trial"], *(_cell(row.get(key)) for key in keys)) for row in study.rows]
    return Table(rows, ("trial", *(key.replace("_", " ") for key in keys)))


def _cell(value: Any) -> Any:
    return "" if value is None else f"{value:.5g}" if isinstance(value, float) else value
