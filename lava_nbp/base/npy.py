"""Arrays as NumPy writes them: what the header promises is compared with what is there before any memory is taken."""

from __future__ import annotations

import math
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import one_line, shown
from lava_nbp.errors import Unreadable

#: Kinds of types that are read: truth values, integers, real numbers, text.
_KINDS = "biufUS"
#: The last letter there is, and the halves of pairs, which are none: Python fails where it meets one.
_LAST, _HALVES = 0x10FFFF, (0xD800, 0xDFFF)
#: Bytes that are read at once.
_PART = 1 << 20


def read_array(stream: IO[bytes], there: int, what: str) -> NDArray[Any]:
    """Read an array in NumPy's format; in this machine's byte order, and never by pickle.

    Parameters
    ----------
    stream : binary stream
        At its beginning.
    there : int
        Bytes that it has.
    what : str
        Names the array, the beginning of messages.

    Raises
    ------
    Unreadable
        For anything but numbers or text, a header that cannot be read or promises another number of bytes than there
        are, or a stream that ends early.
    """
    shape, fortran, dtype, header = _header(stream, what)
    if dtype.hasobject:
        raise Unreadable(f"{what} holds Python objects, which are never read (allow_pickle=False)")
    if dtype.kind not in _KINDS or dtype.itemsize == 0:
        raise Unreadable(f"{what} has dtype {dtype}, but only real numbers and text are read")
    count = math.prod(shape)
    if min(shape, default=0) < 0 or count * dtype.itemsize != there - header:
        raise Unreadable(f"{what} promises shape {shown(shape)} of {dtype}, but holds {there - header} bytes")
    array = np.empty(count, dtype)
    left = memoryview(array.view(np.uint8))  # type: ignore[arg-type]
    while len(left):
        read = stream.readinto(left[:_PART])  # type: ignore[attr-defined]
        if not read:
            raise Unreadable(f"{what} ends {len(left)} bytes early")
        left = left[read:]
    own = array.astype(dtype.newbyteorder("="), copy=False)
    if dtype.kind == "U":
        letters = own.view(np.uint32)
        if ((letters > _LAST) | ((letters >= _HALVES[0]) & (letters <= _HALVES[1]))).any():
            raise Unreadable(f"{what} has numbers that are no letters")
    return own.reshape(shape, order="F" if fortran else "C")


def _header(stream: IO[bytes], what: str) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, whether in Fortran's order, type, and the bytes before the array."""
    written: Any = np.lib.format
    readers = {(1, 0): written.read_array_header_1_0, (2, 0): written.read_array_header_2_0}
    try:
        reader = readers[written.read_magic(stream)]
        return (*reader(stream), stream.tell())
    except KeyError:
        raise Unreadable(f"{what} is written in a format that only arrays with named fields need") from None
    except OSError:
        raise
    except Exception as error:  # NumPy parses the header as Python, and raises what that does
        raise Unreadable(f"{what} does not begin as NumPy writes arrays ({one_line(error)})") from error
