"""Interrupts trainings at random times, resumes them, and compares them bit for bit with one that nobody interrupted.

By hand, for as long as one likes, from the root of the project::

    PYTHONPATH=tests/support python -m interruptions --runs 20 --seed 1 --target lava

Most runs are forked from this process, which has all modules and kernels already: their imports would be most of the
work. Some are programs of their own.

What is wrong is printed with the seed that brings it back, and the folder of that run is kept; the exit code is 1 then.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from experiments import DIGITS, SLAYER, YINYANG, content, experiment
from segments import left_since, segments

from lava_nbp.cli import app
from lava_nbp.runs.train import train

#: Targets, and the experiments that are interrupted there: a second or two, most of it for imports.
TARGETS = {
    "sample": (DIGITS, "epochs=30"),
    "lava": (DIGITS, "epochs=6", "target=lava"),
    "lava-processes": (DIGITS, "epochs=6", "target=lava", "lava.in_process=false"),
    "lava-primitives": (
        DIGITS,
        "epochs=3",
        "target=lava-primitives",
        "data.train=6",
        "data.test=2",
        "data.validation=2",
    ),
    "continuous": (YINYANG, "epochs=8", "data.validation=200"),
    "clocked": (YINYANG, "epochs=4", "target=clocked"),
    "slayer": (SLAYER, "epochs=6", "data.validation=20"),
}
#: Ways to interrupt, and the exit codes that they may lead to beside 0, which is that of a run that was faster.
KINDS = {"KILL": -9, "TERM": 143, "INT": 130, "HUP": 129, "STOP": 0, "DISK": 2}
#: Bytes that a file may have where the disk is full.
_FULL = 700
#: Seconds in which everything has ended.
_LONGEST = 300.0


class Wrong(Exception):
    """What must not be."""


class Forked:
    """`lava-nbp train` in a fork of this process; what is needed of a `subprocess.Popen`."""

    def __init__(self, folder: Path, arguments: list[str]) -> None:
        self.returncode: int | None = None
        self._said, says = os.pipe()  # it is not much
        self.pid = os.fork()
        if self.pid == 0:
            self._train(folder, arguments, says)
        os.close(says)

    def _train(self, folder: Path, arguments: list[str], says: int) -> None:
        code = 1
        try:
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(says, 2)
            os.close(says)
            sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
            heed()
            # Its segments are kept track of by a process of its own, as those of a program are.
            resource_tracker._resource_tracker = resource_tracker.ResourceTracker()
            for name in ("ensure_running", "register", "unregister", "getfd"):
                setattr(resource_tracker, name, getattr(resource_tracker._resource_tracker, name))
            os.chdir(folder)
            sys.argv = ["lava-nbp", *arguments]
            app.main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        except BaseException:
            traceback.print_exc()
        finally:
            atexit._run_exitfuncs()
            sys.stderr.flush()
            os._exit(code)

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def communicate(self, timeout: float = 10.0) -> tuple[str, str]:
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("lava-nbp", timeout)
            time.sleep(0.01)
        with os.fdopen(self._said) as said:
            return "", said.read()


Process = subprocess.Popen[str] | Forked


@dataclass
class Trial:
    """A run that is interrupted: where, what, and with which chances."""

    folder: Path
    target: str
    chance: random.Random
    #: Seconds of a run without interruption.
    usual: float
    #: Share of the starts that are programs of their own.
    programs: float = 0.15

    def start(self) -> Process:
        """A training that goes on if it was begun, in a session of its own."""
        text, *settings = TARGETS[self.target]
        (self.folder / "config.toml").write_text(text)
        arguments = ["train", "config.toml", "--out", "run", "--resume"]
        for setting in settings:
            arguments += ["--set", setting]
        if self.chance.random() >= self.programs:
            return Forked(self.folder, arguments)
        command, pipe = [sys.executable, "-m", "lava_nbp", *arguments], subprocess.PIPE
        return subprocess.Popen(
            command, cwd=self.folder, start_new_session=True, stdout=pipe, stderr=pipe, text=True, preexec_fn=heed
        )

    def whole(self) -> None:
        """Train without interruption."""
        _ended(self.start(), "a run that nobody interrupts", 0)

    def interrupt(self, kind: str) -> bool:
        """Begin or go on, and interrupt; whether there was still something to interrupt."""
        before, process = segments(), self.start()
        until_it_listens(process)
        time.sleep(self.chance.uniform(0, self.usual))
        over = process.poll() is not None
        _KIND_OF[kind](process, self.chance)
        code = _ended(process, kind, KINDS[kind], 0)
        left = left_since(before) if self.target.startswith("lava") else set()
        if left:
            raise Wrong(f"{kind}: segments {left} are left in /dev/shm")
        return not over and (code != 0 or kind == "STOP")


def heed() -> None:
    """What ignores signals must not be handed on to the run."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def until_it_listens(process: Process) -> None:
    """Before the program does, Python ends in its own way: for as long as an interpreter takes to begin."""
    bit = 1 << (signal.SIGTERM - 1)
    while process.poll() is None:
        caught = re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{process.pid}/status").read_text())
        if caught and int(caught[1], 16) & bit:
            return
        time.sleep(0.005)


def _send(number: int) -> Any:
    def send(process: Process, chance: random.Random) -> None:
        # To all of its session, as a terminal does, or to itself only.
        everybody = number != signal.SIGKILL and chance.random() < 0.5
        with suppress(ProcessLookupError):
            (os.killpg if everybody else os.kill)(process.pid, number)

    return send


def _pause(process: Process, chance: random.Random) -> None:
    _send(signal.SIGSTOP)(process, chance)
    time.sleep(chance.uniform(0.05, 0.5))
    for one in members_of(process.pid):
        _send(signal.SIGCONT)(process, chance)
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGCONT)


def _fill(process: Process, chance: random.Random) -> None:
    """From some moment on, once it has saved an epoch: all networks are there then, whose segments are files, too."""
    saved, times = Path(f"/proc/{process.pid}/cwd/run/checkpoint.npz"), {0.0}
    with suppress(OSError):  # it may end in between
        while process.poll() is None and len(times) < 4:
            times.add(saved.stat().st_mtime if saved.exists() else 0.0)
            time.sleep(0.005)
    time.sleep(chance.uniform(0, 0.1))
    with suppress(ProcessLookupError):
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (_FULL, resource.RLIM_INFINITY))


_KIND_OF = {
    "KILL": _send(signal.SIGKILL),
    "TERM": _send(signal.SIGTERM),
    "INT": _send(signal.SIGINT),
    "HUP": _send(signal.SIGHUP),
    "STOP": _pause,
    "DISK": _fill,
}


def members_of(session: int) -> list[int]:
    """Processes of a session that are not zombies."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, _, owner = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            except OSError:
                continue
            if int(owner) == session and state != "Z":
                found.append(int(entry.name))
    return found


def _ended(process: Process, how: str, *codes: int) -> int:
    """Wait for the end of a run; check its exit code, what it says, and that nobody is left."""
    try:
        _, err = process.communicate(timeout=_LONGEST)
    except subprocess.TimeoutExpired:
        for one in members_of(process.pid):
            os.kill(one, signal.SIGKILL)
        _, err = process.communicate()
        raise Wrong(f"{how}: has not ended in {_LONGEST:g} s; it says {err!r}") from None
    code = process.returncode
    if code not in codes:
        raise Wrong(f"{how}: exit code {code} instead of {' or '.join(map(str, codes))}; it says {err!r}")
    # Who frees the segments of a run that was killed is a process of Python's, and says so.
    if code != -9 and (len(err.strip().splitlines()) > 1 or (code == 0 and err)):
        raise Wrong(f"{how}: exit code {code}, and more than a line: {err!r}")
    deadline = time.monotonic() + 10
    while members_of(process.pid):
        if time.monotonic() > deadline:
            raise Wrong(f"{how}: processes {members_of(process.pid)} are left")
        time.sleep(0.02)
    return code


def one_run(
    target: str, kind: str, seed: str, folder: Path, usual: float, expected: tuple[Any, ...], programs: float = 0.15
) -> int:
    """Interrupt a run once or twice, let it go on to its end, and compare; how many times it was interrupted.

    Raises
    ------
    Wrong
        Says what is not as it should be.
    """
    trial = Trial(folder, target, random.Random(seed), usual, programs)
    done = sum(trial.interrupt(kind) for _ in range(trial.chance.randint(1, 2)))
    trial.whole()
    if content(folder / "run") != expected:
        raise Wrong(f"{kind}: the resumed run is another one")
    if left := [name for name in os.listdir(folder / "run") if name.startswith(".")]:
        raise Wrong(f"{kind}: temporary files {left} are left")
    return done


@contextmanager
def uninterrupted(target: str, folder: Path) -> Iterator[tuple[float, tuple[Any, ...]]]:
    """What a run without interruption takes, and what it leaves."""
    folder.mkdir(parents=True)
    text, *settings = TARGETS[target]
    on_lava = target.startswith("lava")
    # Here, so that the forks have all it needs; networks of Lava are not started here, but compile the same.
    train(experiment(folder, text, *settings, *(("target=sample",) if on_lava else ())), folder / "warm")
    trial = Trial(folder, target, random.Random(0), 0)
    begin = time.monotonic()
    trial.whole()
    usual = time.monotonic() - begin
    if not on_lava and content(folder / "run") != content(folder / "warm"):
        raise Wrong("two runs without interruption differ")
    yield usual, content(folder / "run")


def main() -> int:
    """Interrupt as the command line says; 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="interruptions", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=12, help="runs of every target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", choices=TARGETS, action="append", help="repeatable; default: all")
    parser.add_argument("--kind", choices=KINDS, action="append", help="repeatable; default: all")
    asked = parser.parse_args()
    bad, root = 0, Path(tempfile.mkdtemp(prefix="interruptions-"))
    for target in asked.target or TARGETS:
        runs, same, interrupted = Counter[str](), Counter[str](), Counter[str]()
        with uninterrupted(target, root / target / "whole") as (usual, expected):
            for k in range(asked.runs):
                kind = (asked.kind or [*KINDS])[k % len(asked.kind or KINDS)]
                folder = root / target / f"{k}-{kind}"
                folder.mkdir()
                runs[kind] += 1
                try:
                    interrupted[kind] += one_run(target, kind, f"{asked.seed} {target} {k}", folder, usual, expected)
                    same[kind] += 1
                    shutil.rmtree(folder)
                except Wrong as error:
                    print(f"{target}, run {k} of seed {asked.seed}, kept in {folder}: {error}", flush=True)
        bad += sum(runs.values()) - sum(same.values())
        said = {kind: f"{same[kind]} of {n} ({interrupted[kind]} interruptions)" for kind, n in runs.items()}
        print(f"{target} ({usual:.1f} s each), bit for bit: {json.dumps(said)}", flush=True)
    if not bad:
        shutil.rmtree(root)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
