"""A process that runs trials one after the other: told which by lines of JSON, and telling how it goes by such lines.

Its parent calls `main` in a new interpreter, with the number of a pipe's end to write to, and the study's folder: what
is printed, by libraries too, shall not come between the lines. It ends when nobody tells it anything any more: when the
parent closes its standard input, or has ended in whatever way. A trial under way is left at its last epoch.
"""

from __future__ import annotations

import _thread
import json
import os
import queue
import sys
import threading
import time
from typing import Any, TextIO

from lava_nbp.base.progress import Progress
from lava_nbp.runs.studies.folder import StudyFolder, load_study
from lava_nbp.runs.studies.tasks import Broken, Task, work

#: How often it tells how far it is, and how long it may take to end in order when nobody listens, in seconds.
_TELL, _GRACE = 0.25, 5.0


class _Told(Progress):
    """Tells a parent how a trial goes."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._done, self._last = out, 0, 0.0

    def say(self, **what: Any) -> None:
        """A line."""
        self._out.write(json.dumps(what) + "\n")
        self._out.flush()

    def start(self, epochs: int, samples: int, done: int) -> None:
        """See `Progress`."""
        self._done = done * samples
        self.say(total=epochs * samples, done=self._done)

    def advance(self, samples: int) -> None:
        """See `Progress`."""
        self._done += samples
        now = time.monotonic()
        if now - self._last > _TELL:
            self._last = now
            self.say(done=self._done)

    def epoch(self, record: dict[str, Any]) -> None:
        """See `Progress`."""
        self.say(done=self._done, epoch=record["epoch"])


def main() -> None:
    """Do the tasks that standard input names, until it ends."""
    out = os.fdopen(int(sys.argv[1]), "w")
    told, orders = _Told(out), queue.SimpleQueue[str]()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()
    try:
        folder = load_study(sys.argv[2])
        while order := orders.get():
            _run(folder, Task.from_order(json.loads(order)), told)
        os._exit(0)  # before the interrupt that tells whoever works on a trial
    except (KeyboardInterrupt, BrokenPipeError):
        os._exit(1)  # nobody listens: there is nothing to be said at exit


def _run(folder: StudyFolder, task: Task, told: _Told) -> None:
    try:
        reason = work(folder, task, told, lambda trial: told.say(asked=trial.name))
    except Broken as error:
        told.say(broken=str(error))
    else:
        told.say(finished=True) if reason is None else told.say(failed=reason)


def _listen(orders: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        orders.put(line)
    orders.put("")  # whoever waits for an order ends
    _thread.interrupt_main()  # and whoever works on one
    time.sleep(_GRACE)
    os._exit(1)
