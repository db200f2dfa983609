"""Segments of shared memory in /dev/shm: which there are, and which of them others still use."""

import os
from pathlib import Path

FOLDER = Path("/dev/shm")


def segments() -> set[str]:
    """Names of all there are, of whatever process."""
    return set(os.listdir(FOLDER))


def left_since(before: set[str]) -> set[str]:
    """New ones that nobody but this process and its descendants holds: other workers run other tests beside it."""
    new = segments() - before
    return new - _held_by_others() if new else new


def _held_by_others() -> set[str]:
    found: set[str] = set()
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal() or _is_ours(process.name):
            continue
        try:
            maps = (process / "maps").read_text()
        except OSError:  # it has ended, or is somebody else's
            continue
        found.update(line.split(f"{FOLDER}/", 1)[1].split()[0] for line in maps.splitlines() if f"{FOLDER}/" in line)
    return found


def _is_ours(pid: str) -> bool:
    while pid not in ("0", "1"):
        if pid == str(os.getpid()):
            return True
        try:
            pid = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            return False
    return False
