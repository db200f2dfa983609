"""Threads that help the one that asks, and stay for the next time."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from typing import TypeVar

_Done = TypeVar("_Done")

#: Seconds of work for others that are worth calling them: to wake one takes a tenth of a millisecond on a busy machine.
_WORTH = 4e-4
#: Most times in a row that work is done alone after it took longer with help.
_MOST_RESTS = 63


class Helpers:
    """Threads that share pieces of work with the thread that asks, which does as many as it can get itself.

    So nobody waits for a thread that has not come to work yet, and for pieces that took too little time when last some
    were done, nobody is called. Where others use the processors, a helper may be kept from them in the middle of its
    piece, and all wait for it: when that took longer than what all have worked, pieces are done alone next time, and
    the next 3, 7 .. 63 times for as long as it goes on; then help is tried again. Threads are started when first
    needed, and anew in a forked process or a copy; they end with the object, or with the interpreter.

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
        self._rests, self._resting = 0, 0  # times alone: since help was last too slow, and those that are left

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

        def work() -> float:
            begin = time.thread_time()
            while (k := next(numbers)) < n:
                done[k] = piece(k)
            return time.thread_time() - begin

        worth = (n - 1) * self._seconds >= _WORTH and self._may_call()
        called = self._call(work, min(self._threads, n) - 1 if worth else 0)
        begin = time.perf_counter()
        try:
            seconds = work()
        finally:
            helping = [future for future in called if not future.cancel()]
            failed = [error for future in helping if (error := future.exception()) is not None]
        for error in failed:
            raise error
        if helping:
            seconds += sum(future.result() for future in helping)
            self._judge(time.perf_counter() - begin <= seconds)
        self._seconds = seconds / n if n else self._seconds
        return [done[k] for k in range(n)]

    def _may_call(self) -> bool:
        self._resting -= self._resting > 0
        return not self._resting

    def _judge(self, helped: bool) -> None:
        """Remember whether all were sooner done than one would have been."""
        self._rests = self._rests // 2 if helped else min(2 * self._rests + 1, _MOST_RESTS)
        self._resting = 0 if helped else self._rests + 1

    def _call(self, work: Callable[[], float], helpers: int) -> list[Future[float]]:
        if helpers < 1:
            return []
        if self._pool is None or self._pid != os.getpid():  # a fork has none of the threads
            self._pool, self._pid = ThreadPoolExecutor(self._threads - 1), os.getpid()
        return [self._pool.submit(work) for _ in range(helpers)]


class InOrder:
    """Does something with every piece in the order of their numbers, when it and all before it are ready.

    Who makes a piece ready does what can be done then, unless another thread is at it, which goes on with it: nobody
    waits. So the order is the same, whoever does which.

    Parameters
    ----------
    act : callable
        Is given 0, 1, 2 .., one at a time.
    """

    def __init__(self, act: Callable[[int], None]) -> None:
        self._act = act
        self._lock = threading.Lock()
        self._ready: set[int] = set()
        self._next, self._acting = 0, False

    def ready(self, k: int) -> None:
        """Say that a piece is ready; each once."""
        with self._lock:
            self._ready.add(k)
            if self._acting:
                return
            self._acting = True
        while True:
            with self._lock:
                k = self._next
                if k not in self._ready:
                    self._acting = False
                    return
                self._next += 1
            self._act(k)
