"""Circuits as files: JSON that says every population, connection, matrix, projection and source."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lava_nbp.base.checks import shown
from lava_nbp.base.files import write_atomically
from lava_nbp.errors import CircuitError, InputError
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
        circuit: Circuit = _ADAPTER.validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        problem = error.errors()[0]
        reason = problem.get("ctx", {}).get("error")
        if reason is not None:  # what a value's own constructor says
            raise CircuitError(f"{where}: {reason}") from None
        at = ".".join(map(str, problem["loc"]))
        if problem["type"] == "missing":
            raise CircuitError(f"{where}: {at} is missing; add it") from None
        raise CircuitError(f"{where}: {at} = {shown(problem['input'])}: {problem['msg']}") from None
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


def save_circuit(circuit: Circuit, path: str | Path) -> None:
    """Write a circuit to a .json file, atomically.

    Raises
    ------
    InputError
        For a name that does not end in .json.
    OutputError
        If the file cannot be written; one that was there stays.
    """
    check_circuit(circuit)
    if not str(path).endswith(SUFFIX):
        raise InputError(f"circuit file {path}: its name must end in {SUFFIX}, so that it is known as one")
    write_atomically(Path(path), (json.dumps(circuit_to_dict(circuit), indent=1) + "\n").encode())


def load_circuit(path: str | Path) -> Circuit:
    """Read a circuit from a file that `save_circuit` wrote.

    Raises
    ------
    InputError
        If it cannot be read.
    CircuitError
        If it holds no circuit, or one that cannot work.
    """
    try:
        content = json.loads(Path(path).read_text())
    except OSError as error:
        raise InputError(f"circuit {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"circuit {path} is not valid JSON: {error}") from error
    return circuit_from_dict(content, f"circuit {path}")


_ADAPTER: TypeAdapter[Circuit] = TypeAdapter(Circuit)
