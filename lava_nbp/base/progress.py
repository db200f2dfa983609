"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: Called with what is going on, how much of it is done, and how much there is.
Stage = Callable[[str, int, int], None]
#: The same without a name for it: a `Stage` whose name is known.
Count = Callable[[int, int], None]


def untold(what: str, done: int, total: int) -> None:
    """A `Stage` that nobody listens to."""


def uncounted(done: int, total: int) -> None:
    """A `Count` that nobody listens to."""


class Progress:
    """What a training run tells while it goes; override to show it."""

    def start(self, epochs: int, samples: int, done: int) -> None:
        """Training begins: epochs in all, samples per epoch, epochs already done."""

    def note(self, text: str) -> None:
        """Something the user should know, before training begins or of an epoch."""

    def advance(self, samples: int) -> None:
        """So many more training samples are done."""

    def evaluating(self, epoch: int, split: str, done: int, total: int) -> None:
        """So many samples of a split have been answered after an epoch."""

    def epoch(self, record: dict[str, Any]) -> None:
        """An epoch is done and saved."""


class PassedOn(Progress):
    """Tells somebody else everything it is told; override what is to be done beside.

    Parameters
    ----------
    shown : Progress
        Who is told.
    """

    def __init__(self, shown: Progress) -> None:
        self.shown = shown

    def start(self, epochs: int, samples: int, done: int) -> None:
        """See `Progress`."""
        self.shown.start(epochs, samples, done)

    def note(self, text: str) -> None:
        """See `Progress`."""
        self.shown.note(text)

    def advance(self, samples: int) -> None:
        """See `Progress`."""
        self.shown.advance(samples)

    def evaluating(self, epoch: int, split: str, done: int, total: int) -> None:
        """See `Progress`."""
        self.shown.evaluating(epoch, split, done, total)

    def epoch(self, record: dict[str, Any]) -> None:
        """See `Progress`."""
        self.shown.epoch(record)


class StudyProgress:
    """What a study tells while its trials run; override to show it."""

    def begin(self, trials: int, done: int, unit: str) -> None:
        """It begins: trials in all, those that are done already, and what a trial's progress is counted in."""

    def note(self, text: str) -> None:
        """Something the user should know."""

    def trial_begins(self, worker: int, name: str) -> None:
        """A worker begins a trial, or goes on with it."""

    def trial_goes(self, worker: int, done: int | None, total: int | None, epoch: int | None) -> None:
        """So much of a worker's trial is done, of so much, or an epoch; None: as before."""

    def trial_ends(self, worker: int, name: str, reason: str | None) -> None:
        """A trial is done; or has failed, for a reason."""

    def waiting(self) -> None:
        """Called at least twice a second."""
