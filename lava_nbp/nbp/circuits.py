"""The table of circuits by name, and how a name, or a file, becomes a circuit of given layers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from lava_nbp.base.checks import check_flag, check_integer, check_sequence, shown
from lava_nbp.base.fields import settle
from lava_nbp.base.files import AnyPath, as_path
from lava_nbp.base.registry import Registry
from lava_nbp.base.widths import NEURONS_PER_CHIP
from lava_nbp.errors import CircuitError, InputError
from lava_nbp.nbp.circuit import Circuit
from lava_nbp.nbp.circuit_file import SUFFIX, load_circuit
from lava_nbp.nbp.deep import deep_circuit
from lava_nbp.nbp.paper import inference_circuit, paper_circuit
from lava_nbp.nbp.short import short_circuit


@dataclass(frozen=True)
class CircuitKind:
    """A circuit that can be made for layers of any size: a row of the table.

    Attributes
    ----------
    name : str
        In configurations and on the command line.
    make : callable
        Called with a size per layer, from the input to the output, and with options by keyword; returns a `Circuit`.
    options : tuple of str
        Names of its options. What they are if they are left out, and so of which type they are, says the signature of
        `make`; where it does not, they are True or False.

    Raises
    ------
    InputError
        For something to make it that cannot be called, names that are no text, or an option that it does not take.
    """

    name: str
    make: Callable[..., Circuit]
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        settle(self, f"circuit {shown(self.name)}", InputError)
        taken = inspect.signature(self.make).parameters
        spare = [option for option in self.options if option not in taken]
        if spare and not any(p.kind is p.VAR_KEYWORD for p in taken.values()):
            raise InputError(
                f"circuit {self.name!r}: what makes it has no keyword {spare[0]}; leave the option out, or add it there"
            )

    @property
    def defaults(self) -> dict[str, Any]:
        """What its options are if they are left out."""
        taken = inspect.signature(self.make).parameters
        given = {option: taken[option].default for option in self.options if option in taken}
        empty = inspect.Parameter.empty
        return {option: False if given.get(option, empty) is empty else given[option] for option in self.options}


_DEEP = (
    "chip_order",
    "margin",
    "lower_gate",
    "box",
    "graded",
    "dropout",
    "update_probability",
    "ramp",
    "patch",
    "image",
    "per_class",
    "members",
)
_SHORT = ("margin", "box", "update_probability", "ramp", "patch", "image", "per_class")
#: All circuits.
CIRCUITS: Registry[CircuitKind] = Registry("circuit", CircuitKind)

for _kind in (
    CircuitKind("nbp", paper_circuit, ("guarded", "chip_order")),
    CircuitKind("nbp-guarded", partial(paper_circuit, guarded=True), ("chip_order",)),
    CircuitKind("nbp-chip", partial(paper_circuit, chip_order=True), ("guarded",)),
    CircuitKind("nbp-chip-guarded", partial(paper_circuit, guarded=True, chip_order=True)),
    CircuitKind("nbp-deep", deep_circuit, _DEEP),
    CircuitKind("nbp-short", short_circuit, _SHORT),
    CircuitKind("inference", inference_circuit),
):
    CIRCUITS.register(_kind)


def make_circuit(name: AnyPath, layers: tuple[int, ...], **options: Any) -> Circuit:
    """Make a circuit of the table, or read one from a file.

    Parameters
    ----------
    name : str or path
        One of `CIRCUITS`, or a file that `save_circuit` has written, which ends in .json.
    layers : tuple of int
        Sizes, from the input to the output. A circuit of a file has its own, which must be these.
    **options
        Options of the circuit; those that are False where there is no such option are as left out.

    Raises
    ------
    InputError
        For an unknown name, an option that the circuit does not have, or a file that cannot be read.
    CircuitError
        For layers that the circuit cannot have.
    """
    asked = {option: value for option, value in options.items() if value is not False}
    sizes = tuple(check_integer(n, 0, NEURONS_PER_CHIP, "layers: size") for n in check_sequence(layers, "layers"))
    file = as_path(name, "circuit")
    if file.name.endswith(SUFFIX):
        circuit = load_circuit(file)
        if asked:
            raise InputError(f"circuit {name} is a file, which has no option {next(iter(asked))}; leave it out")
        if (*circuit.layers[:-1], circuit.n_classes) != sizes:
            each = f" ({circuit.n_classes} classes, {circuit.per_class} outputs each)" if circuit.per_class > 1 else ""
            raise CircuitError(
                f"circuit {name} has the layers {_dashed(circuit.layers)}{each}, but {_dashed(sizes)} are asked for; "
                f"change one of them"
            )
        return circuit
    kind = CIRCUITS[str(name)]
    for option in asked:
        if option not in kind.options:
            there = f"it has {', '.join(kind.options)}" if kind.options else "it has none"
            raise InputError(f"circuit {kind.name!r} has no option {option}; {there}")
    _check_number_of_layers(kind, sizes)
    for option, default in kind.defaults.items():
        if isinstance(default, bool) and option in options:
            asked[option] = check_flag(options[option], f"circuit option {option}")
    made = kind.make(*sizes, **asked)
    if not isinstance(made, Circuit):
        raise InputError(f"circuit {kind.name!r}: what makes it returns {shown(made)}, which is no Circuit")
    return made


def _check_number_of_layers(kind: CircuitKind, layers: tuple[int, ...]) -> None:
    try:
        inspect.signature(kind.make).bind(*layers)
    except TypeError:
        needed = [p.name for p in inspect.signature(kind.make).parameters.values() if p.kind is not p.KEYWORD_ONLY]
        raise CircuitError(
            f"circuit {kind.name!r} has {len(needed)} layers ({', '.join(needed)}), but {_dashed(layers)} are "
            f"{len(layers)}; give as many sizes, or choose another circuit"
        ) from None


def _dashed(layers: Any) -> str:
    return "-".join(map(str, layers))
