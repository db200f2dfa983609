"""Threads that help the one that asks, and stay for the next time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from typing import TypeVar

_Done = TypeVar("_Done")

#: Seconds of work for others that are worth calling them: to wake one takes a tenth of a millisecond on a busy machine.
_WORTH = 4e-4


class Helpers:
    """Threads that share pieces of work with the thread that asks, which does as many as it can get itself.

    So nobody waits for a thread that has not come to work yet, and for pieces that took too little time when last some
    were done, nobody is called: it takes no longer than without. Threads are started when first needed, and anew in a
    forked process or a copy; they end with the object, or with the interpreter.

    Parameters
    ----------
    threads : int
        At most so many work at once, the one that asks included.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._pid = 0
        self._seconds = _WORTH  # of a piece, when last some were done

    def __reduce__(self) -> tuple[type[Helpers], tuple[int]]:
        """A copy has threads of its own."""
        return Helpers, (self._threads,)

    def do(self, piece: Callable[[int], _Done], n: int) -> list[_Done]:
        """piece(0) .. piece(n - 1), whoever does which.

        Raises
        ------
        Exception
            What a piece raises; all who work have stopped then.
        """
        done: dict[int, _Done] = {}
        numbers = count()  # to take one is one step of the interpreter

        def work() -> int:
            own = 0
            while (k := next(numbers)) < n:
                done[k] = piece(k)
                own += 1
            return own

        worth = (n - 1) * self._seconds >= _WORTH
        helping = self._call(work, min(self._threads, n) - 1 if worth else 0)
        begin = time.perf_counter()
        try:
            if own := work():
                self._seconds = (time.perf_counter() - begin) / own
        finally:
            failed = [future.exception() for future in helping if not future.cancel()]
        for error in failed:
            if error is not None:
                raise error
        return [done[k] for k in range(n)]

    def _call(self, work: Callable[[], int], helpers: int) -> list[Future[int]]:
        if helpers < 1:
            return []
        if self._pool is None or self._pid != os.getpid():  # a fork has none of the threads
            self._pool, self._pid = ThreadPoolExecutor(self._threads - 1), os.getpid()
        return [self._pool.submit(work) for _ in range(helpers)]
