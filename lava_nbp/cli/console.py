"""What the command line shows while it works: consoles, and progress with rate and remaining time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from lava_nbp.base.progress import Progress, Stage
from lava_nbp.cli import stopping
from lava_nbp.cli.tables import figures_of

# Tables in a pipe or file need not fit the 80 columns that rich assumes there.
OUT = Console(soft_wrap=True, width=None if sys.stdout is not None and sys.stdout.isatty() else 120)
ERR = Console(stderr=True, soft_wrap=True)


def _bar(console: Console, unit: str) -> RichProgress:
    return RichProgress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit + " {task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


@contextmanager
def staged(unit: str = "", console: Console = ERR) -> Iterator[Stage]:
    """A bar with rate and remaining time, told by a `Stage`."""
    with _bar(console, unit) as bar:
        task = bar.add_task("", total=None, rate="")

        def stage(what: str, done: int, total: int) -> None:
            stopping.go_on_unless_told()
            bar.update(task, description=what, completed=done, total=total)
            speed = bar.tasks[0].speed
            if unit and speed:
                bar.update(task, rate=f"{speed:.3g}/s")

        yield stage


class ShownProgress(Progress):
    """Training: a bar with rate and remaining time; a line per epoch where there is no terminal."""

    def __init__(self, console: Console = OUT) -> None:
        self._console = console
        self._task: TaskID | None = None
        self._bar = _bar(console, "samples,")

    def __enter__(self) -> ShownProgress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def start(self, epochs: int, samples: int, done: int) -> None:
        """See `Progress`."""
        self._epochs = epochs
        self._task = self._bar.add_task(
            f"epoch {done + 1}/{epochs}", total=epochs * samples, completed=done * samples, rate=""
        )
        if done:
            self._console.print(f"going on after epoch {done}")

    def note(self, text: str) -> None:
        """See `Progress`."""
        self._console.print(f"note: {text}", markup=False, highlight=False)

    def advance(self, samples: int) -> None:
        """See `Progress`."""
        stopping.go_on_unless_told()
        if self._task is not None:
            self._bar.advance(self._task, samples)

    def evaluating(self, epoch: int, split: str, done: int, total: int) -> None:
        """See `Progress`."""
        stopping.go_on_unless_told()
        if self._task is not None:
            self._bar.update(self._task, description=f"epoch {epoch}/{self._epochs}, {split} {done}/{total}")

    def epoch(self, record: dict[str, Any]) -> None:
        """See `Progress`."""
        epoch = record["epoch"]
        rate = f"{record['microseconds_per_sample']:.1f} us each"
        shown = next((key for key in figures_of(record) if record[key] is not None), None)
        if shown is not None:
            rate += f", test {100 * record[shown]:.1f} %"
        if self._task is not None:
            self._bar.update(self._task, description=f"epoch {min(epoch + 1, self._epochs)}/{self._epochs}", rate=rate)
        if not self._console.is_terminal:
            self._console.print(f"epoch {epoch}/{self._epochs}: {rate}")
