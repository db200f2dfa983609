"""Reads neuron programs from their listings, which stand for microcode here."""

from types import SimpleNamespace

#: Operands of every operation, and whether it has a result.
OPERATIONS = {
    "MOV": (1, True), "ADD": (2, True), "NEG": (1, True), "MIN": (2, True), "AND": (2, True), "SHL": (2, True),
    "MUL_SHR": (3, True), "LT": (2, False), "GE": (2, False), "EQ": (2, False), "JMP": (0, False), "JMP_C": (0, False),
    "SPIKE": (1, False),
}  # fmt: skip


def parse(text):
    """The program of a listing; None for other microcode."""
    first, *lines = text.splitlines()
    if not first.startswith("program "):
        return None
    program = SimpleNamespace(name=first.split()[1], state=[], ports=[], axons=[], code=[], labels={})
    for line in lines:
        if not line.startswith(" "):
            program.labels[line.rstrip(":")] = len(program.code)
            continue
        kind, *rest = line.split()
        if kind == "state":
            program.state.append(SimpleNamespace(name=rest[0], initial=int(rest[2].rstrip(":"))))
        elif kind in ("port", "axon"):
            getattr(program, f"{kind}s").append(rest[0])
        else:
            operands, has_result = OPERATIONS[kind]
            out = rest.pop(0) if has_result else ""
            values = [int(o) if o.lstrip("-").isdigit() else o for o in rest[:operands]]
            to = rest[operands] if len(rest) > operands else ""
            program.code.append(SimpleNamespace(operation=kind, operands=values, out=out, to=to))
    return program
