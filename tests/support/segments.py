"""Segments of shared memory in /dev/shm: which there are, and which of them others still use or have made."""

import contextlib
import os
import time
from pathlib import Path

FOLDER = Path("/dev/shm")
#: How the names begin of those that a test leaves behind on purpose, and removes itself.
ABANDONED = "abandoned_"


def segments() -> set[str]:
    """Names of all that are this user's, of whatever process; without those that are left on purpose."""
    found = set()
    for entry in os.scandir(FOLDER):
        with contextlib.suppress(FileNotFoundError):
            if not entry.name.startswith(ABANDONED) and entry.stat(follow_symlinks=False).st_uid == os.geteuid():
                found.add(entry.name)
    return found


def abandoned() -> str:
    """How the names begin of what this process's tests leave behind on purpose."""
    return f"{ABANDONED}{os.getpid()}_"


def remove_abandoned() -> None:
    """Remove it."""
    for path in FOLDER.glob(f"{abandoned()}*"):
        path.unlink(missing_ok=True)


def left_since(before: set[str], seconds: float = 5.0) -> set[str]:
    """New ones that nobody but this process and its descendants holds, and that are there all the time.

    Other workers run other tests beside it, and other programs may use Lava, too. A name is nobody's for a moment
    before its maker maps it, and after it was let go of: so what is left is looked at again and again, for so many
    seconds and three times at least, for one look may take long.
    """
    left, looks, deadline, pause = _unheld(segments() - before), 1, time.monotonic() + seconds, 0.01
    while left and (looks < 3 or time.monotonic() < deadline):
        time.sleep(pause)
        pause = min(2 * pause, 0.2)
        left, looks = _unheld(left & segments()), looks + 1
    return left


def _unheld(names: set[str]) -> set[str]:
    # The oldest first: a worker maps all that its hundred children hold.
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdecimal()):
        if not names:
            break
        if not _is_ours(pid):
            names = names - _held_by(pid)
    return names


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
