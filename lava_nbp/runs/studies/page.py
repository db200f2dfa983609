"""The page of a study: its conditions, every seed, learning curves with their spread."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from lava_nbp.base.files import AnyPath, as_path, check_output, write_atomically
from lava_nbp.base.html import cell
from lava_nbp.base.progress import Stage, untold
from lava_nbp.errors import CheckpointError, MissingPackageError
from lava_nbp.runs.report.page import render_page, versions
from lava_nbp.runs.studies.folder import StudyFolder, load_study
from lava_nbp.runs.studies.measures import MEASURES, curve
from lava_nbp.runs.studies.optimise import importances
from lava_nbp.runs.studies.search import Between
from lava_nbp.runs.studies.statistics import Condition, conditions
from lava_nbp.runs.studies.tables import condition_table, search_line, search_table
from lava_nbp.seeing.study_plot import (
    MOST,
    against_keys,
    importance_bars,
    search_history,
    seeds_by_condition,
    spread_curves,
)
from lava_nbp.training.sections import Section, Table, embedded

#: File name inside a study's folder.
PAGE = "study.html"
_SEARCHED = (
    "The trials of a search, by their validation accuracy; the test set was answered once, by the chosen one. To know "
    "how good its settings are, run them as a study of many seeds."
)


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
    if not any(row["state"] == "finished" for row in study.rows):
        raise CheckpointError(f"{study.path} has no finished trial; go on with lava-nbp study --resume")
    stage("figures", 1, 3)
    found = _of_conditions(study) if study.study.search is None else _of_search(study)
    stage("page", 2, 3)
    states = [row["state"] for row in study.rows]
    failed = [(row["trial"], row["reason"]) for row in study.rows if row["reason"]]
    trial = study.trials[0]
    sections = [
        *found,
        Section("trials", "Trials", tables=[_trials(study)]),
        *([Section("failed", "Failed", tables=[Table(failed, ("trial", "why"))])] if failed else []),
        Section("configuration", "Configuration", ["Of the first trial; the tables say in what the others differ."],
                code=json.dumps(trial.content, indent=2)),
        Section("versions", "Versions", tables=[versions()]),
    ]  # fmt: skip
    pruned = f", {states.count('pruned')} given up early" if study.study.search is not None else ""
    summary = (
        f"{len(states)} trials, of which {states.count('finished')} are finished{pruned} and "
        f"{states.count('failed')} failed."
    )
    write_atomically(path, render_page(f"Study: {study.study.name}", summary, sections).encode())
    return path


def _of_conditions(study: StudyFolder) -> list[Section]:
    """What the conditions of a study say."""
    found = [c for c in conditions(study) if c.values]
    head, rows, _ = condition_table(found)
    figures = _figures(study, found)
    return [
        Section("result", "Result", [_about(found[0].measure)], [Table(rows, head)]),
        Section("curves", "Every seed", figures=figures),
        *_against(study, study.study.objective),
    ]


def _of_search(study: StudyFolder) -> list[Section]:
    """What a search has found."""
    head, rows, _ = search_table(study)
    label = "validation accuracy (%)"
    reached = {
        trial.number: 100 * row["validation"]
        for trial, row in zip(study.trials, study.rows, strict=True)
        if row["state"] == "finished"
    }
    with tempfile.TemporaryDirectory() as made:
        drawn = search_history(reached, Path(made) / "history.png", label)
        figures = [embedded(drawn, "Every finished trial, in the order of the search; the line is the best so far.")]
        texts = [
            "How much of what the finished trials differ by is due to each key, as Optuna estimates it (PED-ANOVA)."
        ]
        bars = []
        try:
            shares = importances(study)
        except MissingPackageError as error:
            texts = [f"Not known here: {error}"]
        else:
            if shares:
                bars = [embedded(importance_bars(shares, Path(made) / "importance.png"), "Importance of the keys.")]
            else:
                texts = ["Too few finished trials to say which keys matter."]
    return [
        Section("result", "Result", [_SEARCHED, f"{search_line(study)}."], [Table(rows, head)]),
        Section("curves", "The search", figures=figures),
        *_against(study, "validation"),
        Section("importance", "Which keys matter", texts, figures=bars),
    ]


def _against(study: StudyFolder, measure: str) -> list[Section]:
    """The measure against every key that varies but the seed, if one has several values."""
    rows = [row for row in study.rows if row["state"] == "finished" and row.get(measure) is not None]
    scale = 100 if MEASURES[measure].share else 1
    panels = {
        key: [(_plain(row[key]), scale * row[measure]) for row in rows]
        for key in study.study.keys
        if key not in ("seed", "case") and len({str(row[key]) for row in rows}) > 1
    }
    if not panels:
        return []
    panels = dict(list(panels.items())[:MOST])
    search = study.study.search
    log = [] if search is None else [key for key, c in search.choices.items() if isinstance(c, Between) and c.log]
    label = measure.replace("_", " ") + (" (%)" if scale == 100 else "")
    with tempfile.TemporaryDirectory() as made:
        drawn = embedded(
            against_keys(panels, Path(made) / "keys.png", label, log),
            "Every finished trial is a dot; the line goes through the means of equal values.",
        )
    return [Section("keys", "Against each key", figures=[drawn])]


def _plain(value: Any) -> Any:
    return "-".join(map(str, value)) if isinstance(value, list) else value


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
    trials = zip(study.trials, study.rows, strict=True)
    return [
        [100 * value for value in curve(study.run_of(trial))]
        for trial, row in trials
        if row["state"] == "finished" and all(row[key] == value for key, value in condition.settings.items())
    ]


def _trials(study: StudyFolder) -> Table:
    keys = [*study.study.keys, "state", "epoch", *MEASURES]
    rows: list[tuple[Any, ...]] = [(row["trial"], *(cell(row.get(key)) for key in keys)) for row in study.rows]
    return Table(rows, ("trial", *(key.replace("_", " ") for key in keys)))
