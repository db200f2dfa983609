"""The errors users meet: each names the object, the value, the limit and the cure.

All derive from `LavaNBPError`, so that one `except` catches them; the command
line turns each into one line and exit code 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class LavaNBPError(Exception):
    """Base of every error this library raises on purpose."""


class CircuitError(LavaNBPError, ValueError):
    """A circuit that cannot work as written: which population, which phase, what to change."""


class WeightError(LavaNBPError, ValueError):
    """Weights of the wrong shape or type, or that an 8-bit mixed-sign synapse cannot hold."""


class InputError(LavaNBPError, ValueError):
    """Inputs, labels or arguments of the wrong shape, type or value."""


class Unreadable(InputError):
    """What is wrong with a file, without its name: whoever asked for it says which one, and the cure.

    Attributes
    ----------
    missing : bool
        There is no such file.
    """

    def __init__(self, reason: str, *, missing: bool = False) -> None:
        super().__init__(reason)
        self.missing = missing


class DerivativeError(InputError, RuntimeError):
    """A derivative that a layer does not have, asked of PyTorch; a RuntimeError too, as PyTorch's own."""


class RuleError(LavaNBPError, ValueError):
    """A learning rule that cannot be read, or that 8-bit synapses cannot follow."""


class MirrorError(LavaNBPError, ValueError):
    """Mirrored weights that are no longer equal: which projection, which synapse, which values."""


class PortError(LavaNBPError, AssertionError, ValueError):
    """Ports of different shapes connected; an AssertionError too, as Lava's own."""


class DataError(LavaNBPError):
    """A data set that is missing, truncated or corrupt: which file, and where to get it."""


class ConfigError(LavaNBPError, ValueError):
    """An experiment configuration with an unknown key, a wrong type or an impossible value."""


class CheckpointError(LavaNBPError):
    """A checkpoint that cannot be read, or belongs to another experiment."""


class OutputError(LavaNBPError):
    """A file or folder that cannot be written: no permission, or a full disk."""


class RuntimeFailure(LavaNBPError, RuntimeError):
    """Lava's runtime failed: a model raised, a process died, or a time-out passed."""


class MissingPackageError(InputError, ImportError):
    """Lava, or a package that an extra of lava-nbp brings, is not installed or does not load: which, how to get it."""


class MissingLoihiError(LavaNBPError, ImportError):
    """A target of a chip without Intel's lava-loihi package, or without a board to run on: what is missing."""


def unknown_name(what: str, value: object, options: Iterable[str]) -> str:
    """Message for a name that is none of the options, with the nearest one if there is any."""
    names = list(options)
    near = difflib.get_close_matches(value, names, n=1) if isinstance(value, str) and len(value) < 100 else []
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"{what} is {shown(value)}, but must be one of {', '.join(names)}{hint}"


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's, which NumPy 2 would name "np.int64(3)"; also in a list, a tuple or a dict."""
    kind = type(value)
    if kind.__module__ == "numpy" and kind.__name__ != "ndarray" and hasattr(value, "item"):
        return value.item()
    if kind in (list, tuple):
        return kind(map(_plain, value))
    if kind is dict:
        return {_plain(key): _plain(entry) for key, entry in value.items()}
    return value


def shown(value: object, most: int = 60) -> str:
    """A value for a message: in one line, and not longer than that can hold."""
    try:
        text = " ".join(repr(_plain(value)).split())  # arrays have lines of their own
    except Exception:  # Python does not write integers of more than 4300 digits; other people's classes do as they like
        text = f"a {type(value).__name__} that cannot be shown"
    return text if len(text) <= most else text[: most - 3] + "..."
