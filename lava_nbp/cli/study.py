"""Commands of many runs: study, summary."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from lava_nbp.base.progress import StudyProgress
from lava_nbp.cli import stopping
from lava_nbp.cli.console import ERR, OUT
from lava_nbp.cli.options import Settings
from lava_nbp.cli.tables import markdown, table
from lava_nbp.errors import InputError

if TYPE_CHECKING:
    from lava_nbp.runs.studies.folder import StudyFolder


#: Trials of a search that a terminal shows.
_SHOWN = 20


class StudyStyle(str, Enum):
    """Ways to print what a study says."""

    text = "text"
    markdown = "markdown"
    csv = "csv"
    json = "json"


class StudyPlace(str, Enum):
    """Where trials run."""

    here = "here"
    slurm = "slurm"


StyleOption = Annotated[StudyStyle, typer.Option(help="How to print.")]
MeasureOption = Annotated[
    str | None, typer.Option(help="What of the runs; default the study's objective.", show_default=False)
]


def study(
    file: Annotated[Path, typer.Argument(help="Study, a TOML file like studies/digits.toml.", show_default=False)],
    settings: Settings = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Processes or jobs at once; default one per core, or slurm.at_once.", show_default=False),
    ] = None,
    on: Annotated[StudyPlace, typer.Option(help="Where: processes of this machine, or jobs of a SLURM cluster.")] = (
        StudyPlace.here
    ),
    out: Annotated[
        Path | None, typer.Option(help="Folder of the study; default runs/studies/NAME.", show_default=False)
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the folder's study; what has failed is run again.")
    ] = False,
    style: StyleOption = StudyStyle.text,
) -> None:
    """Run a study: many trainings of one experiment, over lists, ranges and seeds of its keys."""
    from lava_nbp.runs.studies.run import run_study
    from lava_nbp.runs.studies.study import load_study_file

    asked = load_study_file(file, settings or [])
    folder = out or Path("runs") / "studies" / asked.name
    try:
        with ShownStudy() as progress:
            there = run_study(asked, folder, on=on.value, workers=workers, resume=resume, progress=progress)
    except (KeyboardInterrupt, SystemExit):
        number = stopping.received() or signal.SIGINT
        with suppress(OSError):  # of a terminal that is gone
            left = "its jobs go on; " if on is StudyPlace.slurm and number != signal.SIGINT else ""
            ERR.print(f"{stopping.WORDS[number]}; {left}--resume goes on with {escape(str(folder))}")
        raise typer.Exit(128 + number) from None
    _show(there, None, style)
    failed = [row for row in there.rows if row["state"] == "failed"]
    for row in failed:
        ERR.print(f"failed, {row['trial']}: {row['reason']}", markup=False, highlight=False)
    if style is StudyStyle.text:
        OUT.print(f"results: {escape(str(folder))}")
    if failed:
        raise typer.Exit(3)


def summary(
    folder: Annotated[Path, typer.Argument(help="Folder of a study.", show_default=False)],
    other: Annotated[
        Path | None, typer.Argument(help="Another one, to be compared with the first.", show_default=False)
    ] = None,
    measure: MeasureOption = None,
    style: StyleOption = StudyStyle.text,
) -> None:
    """Print what a study says: mean, spread and every seed; or two studies side by side."""
    from lava_nbp.runs.studies.folder import load_study

    if other is None:
        _show(load_study(folder), measure, style)
    else:
        _show_both(load_study(folder), load_study(other), measure, style)


def _show(folder: StudyFolder, measure: str | None, style: StudyStyle) -> None:
    from lava_nbp.runs.studies.statistics import conditions
    from lava_nbp.runs.studies.tables import as_csv, condition_table

    if folder.study.search is not None and measure is None and style in (StudyStyle.text, StudyStyle.markdown):
        _show_search(folder, style)
        return
    found = conditions(folder, measure)
    if style is StudyStyle.json:
        report: dict[str, Any] = {
            "study": folder.study.name,
            "conditions": [c.as_dict() for c in found],
            "trials": folder.rows,
        }
        if folder.study.search is not None:
            report["chosen"] = None if folder.chosen is None else folder.chosen.name
        OUT.print_json(json.dumps(report))
    elif style is StudyStyle.csv:
        print(as_csv(folder.rows), end="")
    else:
        head, rows, left = condition_table(found)
        if style is StudyStyle.markdown:
            print(markdown(head, rows, left=left))
        else:
            _print(head, rows, left, escape(folder.study.name))


def _show_search(folder: StudyFolder, style: StudyStyle) -> None:
    from lava_nbp.runs.studies.tables import search_line, search_table

    head, rows, left = search_table(folder)
    if style is StudyStyle.markdown:
        print(markdown(head, rows, left=left))
    else:
        OUT.print(table(head, rows[:_SHOWN], left=left, title=escape(folder.study.name), texts_wrap=True))
        if len(rows) > _SHOWN:
            OUT.print(f"and {len(rows) - _SHOWN} more; --style csv has all", highlight=False)
    OUT.print(search_line(folder), markup=False, highlight=False)


def _show_both(first: StudyFolder, second: StudyFolder, measure: str | None, style: StudyStyle) -> None:
    from dataclasses import asdict

    from lava_nbp.runs.studies.statistics import compare_studies
    from lava_nbp.runs.studies.tables import comparison_line, condition_table

    if style is StudyStyle.csv:
        raise InputError("--style csv prints the trials of one study; give one folder, or another style")
    found = compare_studies(first, second, measure)
    if style is StudyStyle.json:
        report = [
            {
                "settings": row["settings"],
                "first": row["first"].as_dict(),
                "second": row["second"].as_dict(),
                "comparison": None if row["comparison"] is None else asdict(row["comparison"]),
            }
            for row in found
        ]
        OUT.print_json(json.dumps({"first": first.study.name, "second": second.study.name, "conditions": report}))
        return
    for row in found:
        head, _, left = condition_table([row["first"]])
        named = zip((first, second), (row["first"], row["second"]), strict=True)
        rows = [(f.study.name, *condition_table([c])[1][0]) for f, c in named]
        if style is StudyStyle.markdown:
            print(markdown(("study", *head), rows, left=left + 1) + "\n")
        else:
            _print(("study", *head), rows, left + 1)
        OUT.print(comparison_line(row["comparison"], row["first"].measure) + "\n", highlight=False)


def _print(head: Sequence[str], rows: Sequence[Sequence[str]], left: int, title: str | None = None) -> None:
    """Rows of conditions; what each seed says, which is long, in lines below."""
    OUT.print(table(head[:-1], [row[:-1] for row in rows], left=left, title=title, texts_wrap=True))
    for row in rows:
        name = ", ".join(f"{key} {value}" for key, value in zip(head[:left], row[:left], strict=True))
        OUT.print(f"{name + ', ' if name else ''}each seed: {row[-1]}", markup=False, highlight=False)


class ShownStudy(StudyProgress):
    """A bar for all trials and one for each that is under way; a line per trial where there is no terminal."""

    def __init__(self, console: Console = ERR) -> None:
        self._console = console
        self._bar = RichProgress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[unit]}"),
            TimeElapsedColumn(), TimeRemainingColumn(), console=console, disable=not console.is_terminal,
        )  # fmt: skip
        self._all: TaskID | None = None
        self._tasks: dict[int, TaskID] = {}
        self._trials, self._done, self._unit = 0, 0, ""

    def __enter__(self) -> ShownStudy:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def begin(self, trials: int, done: int, unit: str) -> None:
        """See `StudyProgress`."""
        self._trials, self._done, self._unit = trials, done, unit
        self._all = self._bar.add_task("trials", total=trials, completed=done, unit="")
        if done:
            self._console.print(f"{done} of {trials} trials are done already")

    def trial_begins(self, worker: int, name: str) -> None:
        """See `StudyProgress`."""
        self._forget(worker)
        self._tasks[worker] = self._bar.add_task(escape(name), total=None, unit=self._unit)

    def note(self, text: str) -> None:
        """See `StudyProgress`."""
        self._console.print(text, markup=False, highlight=False)

    def trial_goes(self, worker: int, done: int | None, total: int | None, epoch: int | None) -> None:
        """See `StudyProgress`."""
        told: dict[str, Any] = {}
        if total is not None:
            told["total"] = total
        if done is not None:
            told["completed"] = done
        self._bar.update(self._tasks[worker], **told)

    def trial_ends(self, worker: int, name: str, reason: str | None) -> None:
        """See `StudyProgress`."""
        self._forget(worker)
        self._done += 1
        if self._all is not None:
            self._bar.update(self._all, completed=self._done)
        if not self._console.is_terminal:
            self._console.print(
                f"{self._done}/{self._trials} {name}" + (f" failed: {reason}" if reason else ""),
                markup=False, highlight=False,
            )  # fmt: skip

    def waiting(self) -> None:
        """See `StudyProgress`."""
        stopping.go_on_unless_told()

    def _forget(self, worker: int) -> None:
        if worker in self._tasks:
            self._bar.remove_task(self._tasks.pop(worker))
