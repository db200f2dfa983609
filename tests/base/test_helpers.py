"""Threads that help: every piece once, in order, whatever fails, and in forks and copies."""

import copy
import os
import pickle
import subprocess
import sys
import threading
import time

import pytest

from lava_nbp.base import helpers as module
from lava_nbp.base.helpers import Helpers, InOrder


@pytest.fixture(autouse=True)
def always_worth_it(monkeypatch):
    monkeypatch.setattr(module, "_WORTH", 0.0)
    monkeypatch.setattr(module, "_MOST_RESTS", 0)


@pytest.mark.parametrize("threads", [1, 2, 3, 9])
def test_every_piece_is_done_once(threads):
    helpers, seen = Helpers(threads), []
    for n in (0, 1, 2, 7, 100):
        seen.clear()
        assert helpers.do(lambda k: (seen.append(k), k * k)[1], n) == [k * k for k in range(n)]
        assert sorted(seen) == list(range(n))


def together(helpers, n):
    """Threads that do n pieces which wait for each other."""
    barrier = threading.Barrier(n, timeout=60)
    return helpers.do(lambda _: (barrier.wait(), threading.get_ident())[1], n)


def test_as_many_work_at_once_as_there_may_be_and_they_stay():
    helpers = Helpers(3)
    first = together(helpers, 3)
    assert len(set(first)) == 3
    assert threading.get_ident() in first
    assert set(together(helpers, 3)) == set(first)


def test_who_does_not_come_is_not_waited_for():
    """The only helper is busy with something else: all is done without it, at once."""
    helpers, free = Helpers(2), threading.Event()
    together(helpers, 2)
    helpers._pool.submit(free.wait, 60)
    try:
        assert set(helpers.do(lambda _: threading.get_ident(), 5)) == {threading.get_ident()}
    finally:
        free.set()


def works(seconds):
    """A piece that takes so much of a processor's time."""

    def piece(_):
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    return piece


def count_calls(helpers, monkeypatch):
    called, call = [], helpers._call
    monkeypatch.setattr(helpers, "_call", lambda work, n: called.append(n) or call(work, n))
    return called


def test_nobody_is_called_for_little(monkeypatch):
    monkeypatch.setattr(module, "_WORTH", 0.05)
    helpers = Helpers(2)
    helpers._seconds = 0.0
    called = count_calls(helpers, monkeypatch)
    for piece in (works(0.05), lambda _: None, lambda _: None):
        helpers.do(piece, 4)
    assert called == [0, 1, 0]


def test_help_that_keeps_all_waiting_rests_longer_and_longer_and_is_tried_again(monkeypatch):
    """Helpers that sleep in their pieces are as those that others keep from the processors."""
    monkeypatch.setattr(module, "_MOST_RESTS", 7)
    helpers, me, late = Helpers(2), threading.get_ident(), [True]
    called = count_calls(helpers, monkeypatch)

    def piece(_):
        come.wait(60) if called[-1] else None  # so that the helper has a piece in any case
        time.sleep(0.05 if late[0] and threading.get_ident() != me else 0)

    for _ in range(1 + 1 + 1 + 3 + 1 + 7 + 1 + 7 + 1):
        come = threading.Barrier(2)
        helpers.do(piece, 2)
    assert called == [1, 0, 1, *[0] * 3, 1, *[0] * 7, 1, *[0] * 7, 1]
    assert helpers._rests == 7


def test_help_that_helps_is_called_every_time(monkeypatch):
    monkeypatch.setattr(module, "_MOST_RESTS", 63)
    helpers = Helpers(2)
    helpers._judge(False)
    helpers._judge(False)
    helpers._judge(True)
    assert (helpers._rests, helpers._may_call(), helpers._may_call()) == (1, True, True)


def test_a_piece_that_fails_is_told_when_all_have_stopped():
    helpers, barrier, working = Helpers(2), threading.Barrier(2, timeout=60), []

    def piece(k):
        working.append(k)
        barrier.wait()
        if k == 0:
            raise ValueError("piece 0")
        time.sleep(0.05)
        working.remove(k)

    with pytest.raises(ValueError, match="piece 0"):
        helpers.do(piece, 2)
    assert working == [0]
    assert len(set(together(helpers, 2))) == 2  # and it goes on


def test_a_fork_has_helpers_of_its_own():
    helpers = Helpers(2)
    together(helpers, 2)
    child = os.fork()
    if child == 0:
        os._exit(0 if len(set(together(helpers, 2))) == 2 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_copies_have_helpers_of_their_own():
    helpers = Helpers(2)
    first = set(together(helpers, 2)) - {threading.get_ident()}
    for other in (copy.deepcopy(helpers), pickle.loads(pickle.dumps(helpers))):
        again = set(together(other, 2)) - {threading.get_ident()}
        assert len(again) == 1
        assert again != first


def test_they_end_with_the_object_and_with_the_interpreter():
    helpers = Helpers(4)
    own = set(together(helpers, 4)) - {threading.get_ident()}
    threads = [one for one in threading.enumerate() if one.ident in own]  # others' threads come and go
    assert len(threads) == 3
    del helpers
    for one in threads:
        one.join(60)
    assert not any(one.is_alive() for one in threads)
    script = (
        "import threading\n"
        "from lava_nbp.base.helpers import Helpers, InOrder\n"
        "helpers, barrier = Helpers(3), threading.Barrier(3, timeout=60)\n"
        "helpers.do(lambda _: barrier.wait(), 3)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=60, check=False).returncode == 0


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 0, 3, 2), (2, 3, 0, 1)])
def test_pieces_are_used_in_their_order_as_soon_as_they_can_be(order):
    seen, after = [], []
    sums = InOrder(seen.append)
    for k in order:
        sums.ready(k)
        after.append(len(seen))
    assert seen == [0, 1, 2, 3]
    there = [set(order[: n + 1]) for n in range(4)]
    assert after == [next(k for k in range(5) if k not in ready) for ready in there]


def test_whoever_is_at_it_goes_on_and_nobody_waits():
    inside, go_on, seen = threading.Event(), threading.Event(), []

    def act(k):
        seen.append((k, threading.get_ident()))
        if k == 0:
            inside.set()
            assert go_on.wait(60)

    sums = InOrder(act)
    other = threading.Thread(target=sums.ready, args=(0,))
    other.start()
    assert inside.wait(60)
    sums.ready(2)
    sums.ready(1)  # comes back at once: the other is at 0
    assert [k for k, _ in seen] == [0]
    go_on.set()
    other.join(60)
    assert seen == [(k, other.ident) for k in range(3)]


def test_many_threads_keep_the_order():
    for _ in range(50):
        seen, busy = [], threading.Lock()

        def act(k, seen=seen, busy=busy):
            assert busy.acquire(blocking=False)  # never two at once
            seen.append(k)
            busy.release()

        sums = InOrder(act)
        Helpers(4).do(sums.ready, 40)
        assert seen == list(range(40))
