"""Try cases for as long as one likes, each batch in an interpreter of its own, so that a crash is a finding, too."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

from fuzz.attempts import attempt
from fuzz.doors import DOORS

#: Cases of a batch, and the seconds in which they must end.
BATCH, LIMIT = 200, 600


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--door", choices=list(DOORS), action="append", help="repeatable; default all")
    parser.add_argument("--seconds", type=float, default=60, help="for how long (default 60)")
    parser.add_argument("--seed", type=int, default=0, help="of the first batch (default 0)")
    parser.add_argument("--one", nargs=3, metavar=("DOOR", "SEED", "JOURNAL"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        name, first, journal = given.one
        return _attempted(name, int(first), Path(journal))
    return search(given.door or list(DOORS), given.seconds, given.seed)


def _attempted(name: str, first: int, journal: Path) -> int:
    """Try a batch; on a failure say where it was, and in which case."""
    try:
        attempt(name, BATCH, first, journal)
    except Exception as error:
        error.__notes__ = []  # the case, which may be long
        traceback.print_exception(error, limit=-5)
        print(f"in the case {_last(journal)}", file=sys.stderr)
        return 1
    return 0


def search(doors: list[str], seconds: float, first: int) -> int:
    """Batches at every door in turn until the time is over; the exit code says whether anything was found."""
    tried, found, end = dict.fromkeys(doors, 0), 0, time.monotonic() + seconds
    batch = first
    while time.monotonic() < end:
        for name in doors:
            said = _batch(name, batch)
            tried[name] += BATCH
            if said:
                found += 1
                print(f"---- {name}, seed {batch}\n{said}", flush=True)
            if time.monotonic() >= end:
                break
        batch += 1
    print("; ".join(f"{name}: {n} cases" for name, n in tried.items()), f"; {found} batches with findings", sep="")
    return int(found > 0)


def _batch(name: str, seed: int) -> str:
    """What a batch has found, if anything."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "case"
        words = [sys.executable, "-X", "faulthandler", "-m", "fuzz", "--one", name, str(seed), str(journal)]
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT, check=False)
        except subprocess.TimeoutExpired:
            return f"no end within {LIMIT} s; the last case was {_last(journal)}"
        if done.returncode == 0:
            return ""
        crash = (
            f"\nended by signal {-done.returncode}; the last case was {_last(journal)}" if done.returncode < 0 else ""
        )
        return done.stderr[-8000:] + crash


def _last(journal: Path) -> str:
    return journal.read_text() if journal.exists() else "none"


if __name__ == "__main__":
    sys.exit(main())
