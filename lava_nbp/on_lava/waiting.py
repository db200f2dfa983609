"""Who waits for whom: what is said of a network in which nobody can go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

#: So many of those that wait are told, where they are no ring.
_TOLD = 6


class Waiting(NamedTuple):
    """A model that waits at one of its ports.

    Attributes
    ----------
    who : str
        Its Process, as messages call it.
    port : str
        Where it waits.
    sends : bool
        It waits until it can send, the channel being full; else for a message.
    whom : str
        The Process at the other end of the channel, or "" for the program outside the network.
    their_port : str
        Where the channel ends there.
    step : int
        The step that the model is in; 0 if it counts none.
    refers : bool
        It waits at a RefPort, for the other to serve its Var.
    """

    who: str
    port: str
    sends: bool
    whom: str
    their_port: str
    step: int
    refers: bool = False

    def told(self) -> str:
        """In words."""
        verb = "to send to" if self.sends else "for a message from"
        whom = f"{self.whom}, port {self.their_port}" if self.whom else "the program outside the network"
        return f"{self.who} waits at its port {self.port} {verb} {whom}"


def tell(waits: Sequence[Waiting]) -> str:
    """Who waits for whom, the ring if there is one, and the cure.

    Parameters
    ----------
    waits : sequence of Waiting
        All models that wait, one entry each.
    """
    waits = sorted(waits)  # in whatever order they came to wait, the same is said
    ring = find_ring(waits)
    step = max((wait.step for wait in waits), default=0)
    when = f" in step {step}" if step else ""
    if ring:
        told = "; ".join(wait.told() for wait in ring)
        return (
            f"Processes wait for each other{when}: {told}; let one of them send before it receives (put a "
            f"Process that does so between them, as Lava's Dense or HebbianDense)"
        )
    waiting = {wait.who for wait in waits}
    told = "; ".join(wait.told() for wait in waits[:_TOLD])
    more = f"; and {len(waits) - _TOLD} more" if len(waits) > _TOLD else ""
    if any(not wait.whom for wait in waits):
        cure = "let the program send or receive while the network runs (run it with blocking=False, or from a thread)"
    elif any(wait.refers for wait in waits):
        cure = (
            "Vars are served when the spiking phase is over: use RefPorts in run_pre_mgmt or run_post_mgmt, not in "
            "run_spk"
        )
    else:
        done = sorted({wait.whom for wait in waits} - waiting)
        whose = f"{', '.join(done)} " if done else "the others "
        cure = (
            f"{whose}did not send or receive as often in that step: connect the port to a Process that does so in "
            f"every step"
        )
    return f"nobody can go on{when}: {told}{more}; {cure}"


def tell_at_work(models: Sequence[tuple[str, int]]) -> str:
    """Who is at work in which step (0 if it counts none), from at least one Process and step."""
    told = (f"Process {who} is at work" + (f" in step {step}" if step else "") for who, step in models[:_TOLD])
    return ", ".join(told) + (f" and {len(models) - _TOLD} more" if len(models) > _TOLD else "")


def find_ring(waits: Sequence[Waiting]) -> list[Waiting]:
    """Those that wait for each other in a ring, each for the next; none if there is no ring."""
    by_who = {wait.who: wait for wait in waits}
    for start in waits:
        way: list[Waiting] = []
        at: Waiting | None = start
        while at is not None and at not in way:
            way.append(at)
            at = by_who.get(at.whom)
        if at is not None:
            return way[way.index(at) :]
    return []
