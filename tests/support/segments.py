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
    # The oldest first: a worker maps all that its hundred children hold.
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdecimal()):
        if not new:
            break
        if not _is_ours(pid):
            new -= _held_by(pid)
    return new


def _held_by(pid: int) -> set[str]:
    try:
        maps = Path(f"/proc/{pid}/maps").read_text()
    except OSError:  # it has ended, or is somebody else's
        return set()
    return {line.split(f"{FOLDER}/", 1)[1].split()[0] for line in maps.splitlines() if f"{FOLDER}/" in line}


def _is_ours(pid: int) -> bool:
    while pid > 1:
        if pid == os.getpid():
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return False
