"""Circuits as files: JSON that says every population, connection, matrix, projection and source."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lava_nbp.base.content import check_plain, problem, read_json
from lava_nbp.base.files import AnyPath, as_path, write_atomically
from lava_nbp.errors import CircuitError, InputError, Unreadable
from lava_nbp.nbp.circuit import Circuit, check_circuit

#: How the name of such a file ends.
SUFFIX = ".json"
_FORMAT = 1


def circuit_to_dict(circuit: Circuit) -> dict[str, Any]:
    """A circuit as plain values, which JSON holds."""
    content = asdict(circuit)
    content["reward_phases"] = sorted(circuit.reward_phases)
    return {"format": _FORMAT, **content}


def circuit_from_dict(content: Any, where: str = "circuit") -> Circuit:
    """The circuit of plain values; `where` names them in messages.

    Raises
    ------
    CircuitError
        For missing or unknown keys, values of another type, or a circuit that cannot work.
    """
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise CircuitError(f"{where} is no circuit of format {_FORMAT}; write it with save_circuit")
    try:
        # As JSON, so that lists are tuples, but "1" and 1.0 are no integers.
        circuit: Circuit = _ADAPTER.validate_json(json.dumps(check_plain(content, "JSON")), strict=True)
    except ValidationError as error:
        raise CircuitError(f"{where}: {problem(error)}") from None
    except (TypeError, ValueError) as error:
        raise CircuitError(f"{where} holds what JSON does not: {error}") from None
    unknown = next(_unknown(content, circuit_to_dict(circuit)), None)
    if unknown is not None:
        raise CircuitError(f"{where}: unknown key {unknown}; remove it")
    return circuit


def _unknown(content: Any, known: Any, at: str = "") -> Iterator[str]:
    """Keys of the content that a circuit does not have."""
    if isinstance(content, dict):
        for key, value in content.items():
            if key not in known:
                yield f"{at}{key}"
            else:
                yield from _unknown(value, known[key], f"{at}{key}.")
    elif isinstance(content, list):
        for k, (value, same) in enumerate(zip(content, known, strict=False)):
            yield from _unknown(value, same, f"{at}{k}.")


def save_circuit(circuit: Circuit, path: AnyPath) -> None:
    """Write a circuit to a .json file, atomically.

    Raises
    ------
    InputError
        For a name that does not end in .json.
    OutputError
        If the file cannot be written; one that was there stays.
    """
    check_circuit(circuit)
    file = as_path(path, "circuit file")
    if not file.name.endswith(SUFFIX):
        raise InputError(f"circuit file {file}: its name must end in {SUFFIX}, so that it is known as one")
    write_atomically(file, (json.dumps(circuit_to_dict(circuit), indent=1) + "\n").encode())


def load_circuit(path: AnyPath) -> Circuit:
    """Read a circuit from a file that `save_circuit` wrote.

    Raises
    ------
    InputError
        If it cannot be read.
    CircuitError
        If it holds no circuit, or one that cannot work.
    """
    file = as_path(path, "circuit file")
    try:
        content = read_json(file)
    except Unreadable as error:
        raise InputError(f"circuit {file} cannot be read: {error}; write it with save_circuit") from error
    return circuit_from_dict(content, f"circuit {file}")


_ADAPTER: TypeAdapter[Circuit] = TypeAdapter(Circuit)
