"""Ports and Vars of the library's Processes: connections and values are checked where they are made."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import spmatrix

from lava_nbp.base.checks import shown
from lava_nbp.errors import InputError, PortError

from lava.magma.core.process.ports import ports as lava_ports
from lava.magma.core.process.ports.exceptions import ReshapeError
from lava.magma.core.process.variable import Var


class _Checked:
    """Names both sides where shapes differ; for whatever port `connect` is called on.

    Lava checks a connection in that port: what a stock Process connects to a port of ours has Lava's own message.
    """

    shape: tuple[int, ...]

    def _validate_ports(
        self, ports: list[Any], port_type: Any, assert_same_shape: bool = True, assert_same_type: bool = False
    ) -> None:
        for port in ports:
            if assert_same_shape and self.shape != port.shape:
                out, into = (port, self) if isinstance(self, lava_ports.InPort) else (self, port)
                raise PortError(
                    f"{_label(out)} -> {_label(into)}: the shapes differ; make them equal, or reshape or flatten the "
                    f"first"
                )
        super()._validate_ports(ports, port_type, assert_same_shape, assert_same_type)  # type: ignore[misc]

    def reshape(self, new_shape: tuple[int, ...]) -> ReshapePort:
        """As Lava's; what it returns names both sides, too."""
        if math.prod(self.shape) != math.prod(new_shape):
            raise ReshapeError(self.shape, new_shape)
        port = ReshapePort(new_shape, old_shape=self.shape)
        self._connect_forward([port], lava_ports.AbstractPort, [None], assert_same_shape=False)  # type: ignore[attr-defined]
        return port


class InPort(_Checked, lava_ports.InPort):  # type: ignore[misc]
    """Lava's InPort; connecting another shape names both sides."""


class OutPort(_Checked, lava_ports.OutPort):  # type: ignore[misc]
    """Lava's OutPort; connecting another shape names both sides."""


class ReshapePort(_Checked, lava_ports.ReshapePort):  # type: ignore[misc]
    """Lava's ReshapePort; connecting another shape names both sides."""


def _label(port: Any) -> str:
    shape, how = port.shape, ""
    while isinstance(port, lava_ports.AbstractVirtualPort):
        port, how = port.in_connections[0], " reshaped"
    if port.process is None:
        return f"a {type(port).__name__}{how}: {shape}"
    return f"{port.process.proc_params.get('name') or type(port.process).__name__}.{port.name}{how}: {shape}"


class SharedVar(Var):  # type: ignore[misc]
    """A Var in memory that the model shares: moved as a whole, in its own type, and checked.

    Lava's own Var moves one number at a time, checks nothing, and returns float64.

    Parameters
    ----------
    read : callable
        Returns the value, an array that `get` copies.
    write : callable, optional
        Takes a whole new value, checks it, and stores it; without it the Var is read-only.
    """

    def __init__(self, read: Callable[[], NDArray[Any]], write: Callable[[NDArray[Any]], None] | None = None) -> None:
        value = read()
        super().__init__(shape=value.shape, init=value.copy())
        self._read, self._write = read, write

    def get(self, idx: Any = None) -> Any:
        """A copy of the value, or of the part `idx` selects. Call it between runs."""
        value = np.array(self._read())
        return value if idx is None else select_part(value, idx, _label(self))

    def set(self, value: Any, idx: Any = None) -> None:
        """Replace the value, or the part `idx` selects. Call it between runs.

        Raises
        ------
        LavaNBPError
            For a wrong shape, type or value, a Var that can only be read, or in a fork of the process that
            started the network; nothing is changed then.
        """
        if self._write is None:
            raise InputError(f"{_label(self)} can only be read")
        check_owner = getattr(self.process.runtime if self.process else None, "check_owner", None)
        if check_owner is not None:
            check_owner()  # the memory is the network's, in a fork, too
        if idx is not None:
            value = replace_part(self._read(), idx, value, _label(self))
        self._write(value)


def as_numbers(value: Any, what: str) -> NDArray[Any]:
    """A value as an array of real numbers, True and False among them.

    Raises
    ------
    InputError
        For text, complex numbers, None, rows of different lengths, or anything else.
    """
    try:
        array = np.asarray(value)
    except Exception:  # rows of different lengths; objects that fail on the way
        raise InputError(f"{what} holds numbers, but the value is {shown(value)}; give an array of numbers") from None
    if array.dtype.kind not in "biuf":
        raise InputError(
            f"{what} holds numbers, but the value has dtype {array.dtype}: {shown(value)}; convert it first"
        )
    return array


def select_part(value: NDArray[Any], idx: Any, what: str) -> Any:
    """The part of a value that `idx` selects.

    Raises
    ------
    InputError
        For an index outside the value, or that is none.
    """
    try:
        return value[idx]
    except (IndexError, TypeError, ValueError) as error:
        raise InputError(f"{what} has shape {value.shape}, but idx is {shown(idx)}: {error}") from None


def replace_part(whole: NDArray[Any], idx: Any, value: Any, what: str) -> NDArray[Any]:
    """A copy in which the part that `idx` selects is another; wide enough to keep what is wrong with a value.

    Raises
    ------
    InputError
        For what are no numbers, an index that selects nothing, or a value that does not fit into what it selects.
    """
    new = as_numbers(value, what)
    part = np.shape(select_part(whole, idx, what))
    made = whole.astype(np.result_type(whole.dtype, np.int64, new))
    try:
        made[idx] = new
    except (IndexError, TypeError, ValueError):
        raise InputError(
            f"{what}: idx {shown(idx)} selects a part of shape {part}, but the value has {new.shape}; give one of that "
            f"shape"
        ) from None
    return made


def integers_into(array: NDArray[Any], low: int, high: int, what: str) -> Callable[[Any], None]:
    """Make the `write` of a `SharedVar` that stores integers in low .. high into an array."""

    def write(value: Any) -> None:
        new = as_numbers(value, what)
        if new.shape not in ((), array.shape):
            raise InputError(f"{what} has shape {array.shape}, but the value has {new.shape}; give one of that shape")
        if not (np.issubdtype(new.dtype, np.integer) or new.dtype == np.bool_):
            raise InputError(f"{what} holds integers, but the value has dtype {new.dtype}; convert it first")
        bad = (new < low) | (new > high)
        if bad.any():
            raise InputError(f"{what} cannot hold {new[bad].flat[0]}, but integers in {low} .. {high}")
        array[...] = new

    return write


def refuse_text(var: Any) -> None:
    """Let a Var that holds numbers refuse text and sparse matrices: Lava would set the letters' codes."""
    if type(var).set is not Var.set or isinstance(var.init, (str, spmatrix)):
        return

    def set_numbers(value: Any, idx: Any = None) -> None:
        if isinstance(value, (str, spmatrix)):
            raise InputError(f"{_label(var)} holds numbers, but the value is {shown(value)}; give an array of numbers")
        Var.set(var, value, idx)

    var.set = set_numbers


def check_value(var: Any, declared: Any, value: Any) -> Any:
    """A value for a Var, checked against its shape and the type and bits that its model declares.

    Raises
    ------
    InputError
        Names the Var, the value, and what it can hold.
    """
    if declared is None or isinstance(var.init, (str, spmatrix)):
        return value  # Lava has checks of its own
    what = f"{type(var.process).__name__}.{var.name}"
    array = as_numbers(value, what)
    if array.shape not in ((), var.shape):
        raise InputError(f"{what} has shape {var.shape}, but the value has {array.shape}; give one of the Var's shape")
    dtype = np.dtype(declared.d_type)
    if np.issubdtype(dtype, np.integer):
        low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
        if declared.precision:
            bits = int(declared.precision)
            low, high = max(low, -(1 << bits)), min(high, (1 << bits) - 1)
        bad = ~((array >= low) & (array <= high) & (np.floor(array) == array))
        if bad.any():
            raise InputError(
                f"{what} cannot hold {array[bad].flat[0]}: its model keeps integers in {low} .. {high} "
                f"({int(bad.sum())} of {array.size} values do not fit)"
            )
    return np.broadcast_to(array, var.shape)
