"""A training run's metrics for TensorBoard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from lava_nbp.base.extras import require
from lava_nbp.base.files import make_folder
from lava_nbp.base.progress import PassedOn, Progress
from lava_nbp.errors import OutputError

#: Folder inside a run's.
FOLDER = "tensorboard"


class TensorBoardLog(PassedOn):
    """Writes every number of every epoch's metrics as a scalar, step = epoch, into the run's folder `tensorboard`.

    A resumed run goes on in a file of its own, which TensorBoard shows as one curve with the first.

    Parameters
    ----------
    folder : path
        The run.
    shown : Progress
        Is told everything, too.

    Raises
    ------
    InputError
        If tensorboard is not installed.
    OutputError
        From its methods: if the log cannot be written.
    """

    def __init__(self, folder: Path, shown: Progress) -> None:
        self._summary = require("tensorboard.summary", "tensorboard", "--tensorboard")
        super().__init__(shown)
        self._folder = folder / FOLDER
        self._writer: Any = None

    def __enter__(self) -> TensorBoardLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            with self._said():
                self._writer.close()

    def start(self, epochs: int, samples: int, done: int) -> None:
        """See `Progress`."""
        make_folder(self._folder)
        with self._said():
            if not done:  # a run that begins anew replaces the one before
                for old in self._folder.glob("events.out.tfevents.*"):
                    old.unlink()
            self._writer = self._summary.Writer(str(self._folder))
        super().start(epochs, samples, done)

    def epoch(self, record: dict[str, Any]) -> None:
        """See `Progress`."""
        with self._said():
            for key, value in record.items():
                if key != "epoch" and isinstance(value, (int, float)):
                    self._writer.add_scalar(key, float(value), step=record["epoch"])
            self._writer.flush()
        super().epoch(record)

    @contextmanager
    def _said(self) -> Iterator[None]:
        """What the system has against the log, as one line."""
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"TensorBoard's log in {self._folder} cannot be written: {error.strerror or error}; free space, or "
                f"train without --tensorboard"
            ) from error
