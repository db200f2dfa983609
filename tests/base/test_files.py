import contextlib
import errno
import io
import os
import resource
import socket
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lava_nbp.base import files
from lava_nbp.errors import OutputError, Unreadable


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


# ------------------------------------------------------------ what is no file


def special(folder, kind):
    """A node that is no regular file, and what messages call it."""
    path = folder / kind
    if kind == "folder":
        path.mkdir()
    elif kind == "FIFO":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(os.path.relpath(path))  # the names of sockets are short
    else:
        try:
            os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("only root makes devices")
    return path


KINDS = ("folder", "FIFO", "socket", "device")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("linked", [False, True])
def test_what_is_no_file_is_never_replaced_and_never_read(tmp_path, kind, linked):
    path = special(tmp_path, kind)
    before = os.lstat(path)
    asked = tmp_path / "link" if linked else path
    if linked:
        asked.symlink_to(path.name)
    for write in (files.check_output, lambda p: files.write_atomically(p, b"new")):
        with pytest.raises(OutputError, match=f"{asked} cannot be written: it is a {kind}.* never replaced; give the"):
            write(asked)
    for read in (files.read_file, files.read_npz, files.read_npy, files.check_file):
        with pytest.raises(Unreadable, match="Is a directory" if kind == "folder" else f"it is a {kind}.*, no file"):
            read(asked)
    after = os.lstat(path)
    assert (after.st_ino, after.st_mode, after.st_rdev) == (before.st_ino, before.st_mode, before.st_rdev)
    assert len(os.listdir(tmp_path)) == 1 + linked


def test_links_stay_and_what_they_lead_to_is_replaced(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "a.txt").write_bytes(b"old")
    (tmp_path / "far" / "a.txt").chmod(0o640)
    (tmp_path / "one").symlink_to("far/a.txt")
    (tmp_path / "two").symlink_to("one")
    files.check_output(tmp_path / "two")
    files.write_atomically(str(tmp_path / "two"), b"new")
    assert (tmp_path / "far" / "a.txt").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "far" / "a.txt").stat().st_mode) == 0o640
    assert os.readlink(tmp_path / "two") == "one"
    (tmp_path / "dangling").symlink_to("far/b.txt")
    files.write_atomically(tmp_path / "dangling", b"there")
    assert (tmp_path / "far" / "b.txt").read_bytes() == b"there"
    assert (tmp_path / "dangling").is_symlink()
    assert sorted(os.listdir(tmp_path / "far")) == ["a.txt", "b.txt"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("loop", "Too many levels of symbolic links; remove the link"),
        ("astray", "No such file or directory; make its folder"),
        ("n" * 300, "File name too long; give a shorter name"),
        ("none/a.txt", "No such file or directory; make its folder"),
        ("file/a.txt", "Not a directory; write elsewhere"),
    ],
)
def test_names_that_cannot_be_written(tmp_path, name, message):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "loop").symlink_to("pool")
    (tmp_path / "pool").symlink_to("loop")
    (tmp_path / "astray").symlink_to("none/a.txt")
    before = sorted(os.listdir(tmp_path))
    for write in (files.check_output, lambda p: files.write_atomically(p, b"new")):
        with pytest.raises(OutputError, match=f"cannot be written: {message}"):
            write(tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("path", ["", "a\0b", "\ud800", 3, None, b"bytes"])
def test_what_names_no_file(path):
    with pytest.raises(OutputError, match=r"file to write is .*, (but must be|which)"):
        files.write_atomically(path, b"")
    with pytest.raises(Unreadable, match=r"file to read is .*, (but must be|which)"):
        files.read_file(path)


def test_the_longest_names_and_those_that_are_no_text_can_be_written(tmp_path):
    for name in ("n" * 255, "ä" * 127, os.fsdecode(b"\xff.txt")):
        files.write_atomically(tmp_path / name, b"new")
        assert files.read_file(tmp_path / name) == b"new"


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC, errno.EACCES, errno.EIO, errno.ESTALE, errno.EDQUOT])
def test_whatever_the_system_says_is_one_line(tmp_path, monkeypatch, number):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.os, "replace", refuse)
    with pytest.raises(OutputError, match=f"cannot be written: {os.strerror(number)}; the a.txt from before is kept; "):
        files.write_atomically(path, b"new")
    assert os.listdir(tmp_path) == ["a.txt"]
    assert path.read_bytes() == b"old"


def test_reading_has_a_limit(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert files.read_file(path, 5) == b"12345"
    with pytest.raises(Unreadable, match="it has 5 bytes, more than the 4 bytes"):
        files.read_file(path, 4)
    with pytest.raises(Unreadable, match="it has more than the 100 bytes"):
        files.read_file("/proc/self/smaps", 100)  # which says that it is empty
    monkeypatch.setenv("LAVA_NBP_MEMORY", "1e-9")
    with pytest.raises(Unreadable, match=r"needs some 5 bytes .* LAVA_NBP_MEMORY"):
        files.read_file(path)
    with pytest.raises(Unreadable) as caught:
        files.read_file(tmp_path / "none")
    assert caught.value.missing


# ---------------------------------------------------------------- npy and npz


def header(text, version=(1, 0)):
    """The beginning of an .npy file: what it says of its array may be anything."""
    padded = text.encode().ljust(118) + b"\n"
    return b"\x93NUMPY" + bytes(version) + len(padded).to_bytes(2 if version == (1, 0) else 4, "little") + padded


def said(shape, descr="'<f8'"):
    return header(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}")


LIES = {
    "ends in the header": header("{'descr': '<f8'")[:40],
    "is no header": header("[[[[[[["),
    "is nested": header("(" * 110),
    "lacks a key": header("{'descr': '<f8'}"),
    "promises 10^22": said("(10**22,)".replace("10**22", "1" + "0" * 22)),
    "promises too much": said("(1000000000000,)") + bytes(80),
    "promises too little": said("(3,)") + bytes(80),
    "promises less than nothing": said("(-10,)") + bytes(80),
    "promises twice less than nothing": said("(-2, -5)") + bytes(80),
    "has no width": said("(1000000000000,)", "'<U0'"),
    "has objects": said("(10,)", "'|O'") + bytes(80),
    "has fields": said("(10,)", "[('a', '<f8')]") + bytes(80),
    "is complex": said("(5,)", "'<c16'") + bytes(80),
    "is of dates": said("(10,)", "'<M8[D]'") + bytes(80),
    "has no type": said("(10,)", "'<q9'") + bytes(80),
    "is of a later version": header("{'descr': '<f8', 'fortran_order': False, 'shape': (0,)}", (3, 0)),
    "is of no version": header("{'descr': '<f8', 'fortran_order': False, 'shape': (0,)}", (9, 9)),
    "has no letters": said("(2,)", "'<U1'") + b"\xff" * 8,
    "has half a letter": said("(1,)", "'>U1'") + b"\0\0\xd8\0",
    "is empty": b"",
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_npy_files_that_lie(tmp_path, lie):
    path = tmp_path / "a.npy"
    path.write_bytes(lie)
    with pytest.raises(Unreadable, match="^it ") as caught:
        files.read_npy(path)
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", lie)
    with pytest.raises(Unreadable, match="array 'x' "):
        files.read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3)), np.array(3), np.zeros((0, 4)),
        np.array(["a", "äö"]), np.arange(3, dtype=">i4"), np.array([True, False]), np.float16([1, 2]),
    ],
)  # fmt: skip
def test_what_numpy_writes_is_read_as_numpy_reads_it(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", x=array)
    for read in (files.read_npy(tmp_path / "a.npy"), files.read_npz(tmp_path / "a.npz")["x"]):
        assert np.array_equal(read, array)
        assert read.shape == array.shape
        assert read.dtype == array.dtype.newbyteorder("=")
        assert read.flags.writeable
        assert read.flags.f_contiguous == array.flags.f_contiguous


def bomb(path, promised, method=zipfile.ZIP_DEFLATED):
    """An archive whose one array promises more bytes than it has."""
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("x.npy", said(f"({promised // 8},)") + bytes(10_000))
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = promised.to_bytes(4, "little")
    path.write_bytes(content)


def test_archives_that_inflate(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    bomb(path, 4_000_000_000)
    with pytest.raises(Unreadable, match="array 'x' promises 4 GB, more than the file can hold"):
        files.read_npz(path)
    np.savez_compressed(path, **{f"x{k}": np.zeros(100_000) for k in range(5)})
    assert path.stat().st_size < 10_000
    assert len(files.read_npz(path)) == 5
    monkeypatch.setenv("LAVA_NBP_MEMORY", "0.003")
    with pytest.raises(Unreadable, match="needs some 4 MB of memory, but the limit is 3 MB"):
        files.read_npz(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_that_numpy_does_not_write(tmp_path):
    path = tmp_path / "a.npz"
    good = io.BytesIO()
    np.save(good, np.zeros(3))
    for method, names, message in (
        (zipfile.ZIP_BZIP2, ["x.npy"], "a way that NumPy does not write"),
        (zipfile.ZIP_LZMA, ["x.npy"], "a way that NumPy does not write"),
        (zipfile.ZIP_STORED, ["x.npy", "x.npy"], "there twice"),
        (zipfile.ZIP_STORED, ["x.txt"], "is no array"),
    ):
        with zipfile.ZipFile(path, "w", method) as archive:
            for name in names:
                archive.writestr(name, good.getvalue())
        with pytest.raises(Unreadable, match=message):
            files.read_npz(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", good.getvalue())
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\x01\x02") + 8] |= 1  # encrypted
    path.write_bytes(content)
    with pytest.raises(Unreadable, match="encrypted"):
        files.read_npz(path)


def _written(**arrays):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


VALID = _written(x=np.arange(40), y=np.array("text"), z=np.zeros((3, 2)))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    flips=st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.integers(0, 255)), max_size=4),
    keep=st.integers(0, 2 * len(VALID)),
)
def test_damaged_archives_are_read_or_refused(tmp_path, flips, keep):
    content = bytearray(VALID)
    for at, value in flips:
        content[at] = value
    path = tmp_path / "a.npz"
    path.write_bytes(content[:keep])
    with contextlib.suppress(Unreadable):
        files.read_npz(path)


def test_leftovers_of_killed_saves_are_removed_and_nothing_else(tmp_path):
    kept = ["a.txt", ".a.txt", ".a.txt.old", ".b.txt.abcdefgh", ".a.txt.abcdefghi"]
    for name in [*kept, ".a.txt.abcdefgh", ".a.txt.0_9zzzzz", ".[a].abcdefgh"]:
        (tmp_path / name).write_bytes(b"half")
    files.remove_leftovers(tmp_path, ["a.txt", "[a]", "c.txt"])
    assert sorted(os.listdir(tmp_path)) == sorted(kept)
