import os
import resource
from pathlib import Path

import numpy as np
import pytest

from lava_nbp.base import files
from lava_nbp.errors import OutputError


def test_whole_file_appears(tmp_path):
    path = tmp_path / "a.txt"
    files.write_atomically(path, b"one")
    files.write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_full_disk_keeps_the_old_file_and_leaves_no_other(tmp_path):
    path = tmp_path / "a.txt"
    files.write_atomically(path, b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Writing beyond the limit fails in the midst of the file, as it does on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OutputError, match="a.txt cannot be written: File too large; the a.txt from before is kept"):
            files.write_atomically(path, bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_an_interrupt_keeps_the_old_file_and_leaves_no_other(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    files.write_atomically(path, b"old")

    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_folders_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nothing")):
        with pytest.raises(OutputError, match=f"output folder {path} cannot be written"):
            files.make_folder(path)
    with pytest.raises(OutputError, match="cannot be written"):
        files.write_atomically(tmp_path / "nowhere" / "a.txt", b"")


def test_npz_round_trip_and_damage(tmp_path):
    path = tmp_path / "a.npz"
    files.write_npz(path, {"x": np.arange(500), "name": np.array("text")})
    back = files.read_npz(path)
    assert np.array_equal(back["x"], np.arange(500))
    assert str(back["name"]) == "text"
    content = path.read_bytes()
    changed = content[:60] + b"!!!!" + content[64:]
    for damaged in (b"", content[:10], content[: len(content) // 2], content[:-1], b"no zip at all", changed):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="."):
            files.read_npz(path)
    np.save(path.with_suffix(".npy"), np.arange(3))
    with pytest.raises(ValueError, match="no .npz file"):
        files.read_npz(path.with_suffix(".npy"))
    np.savez(path, x=np.array([object()], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        files.read_npz(path)
    with pytest.raises(ValueError, match="No such file"):
        files.read_npz(tmp_path / "nothing.npz")


def test_leftovers_of_killed_saves_are_removed_and_nothing_else(tmp_path):
    kept = ["a.txt", ".a.txt", ".a.txt.old", ".b.txt.abcdefgh", ".a.txt.abcdefghi"]
    for name in [*kept, ".a.txt.abcdefgh", ".a.txt.0_9zzzzz", ".[a].abcdefgh"]:
        (tmp_path / name).write_bytes(b"half")
    files.remove_leftovers(tmp_path, ["a.txt", "[a]", "c.txt"])
    assert sorted(os.listdir(tmp_path)) == sorted(kept)
