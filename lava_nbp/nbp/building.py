"""Pieces that circuits are written with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lava_nbp.nbp.circuit import Connection, Population, Role
from lava_nbp.nbp.levels import LINK


def connect(
    role: Role, weight: int, pairs: Iterable[tuple[str, str]], delays: Sequence[int] = (0,)
) -> list[Connection]:
    """Connections of one role and weight: every pre to every post it names, once per delay."""
    return [
        Connection(pre, post, role, weight, delay)
        for pres, posts in pairs
        for pre in pres.split()
        for post in posts.split()
        for delay in delays
    ]


def ring(n: int) -> tuple[list[Population], list[Connection]]:
    """A chain of n gating neurons, g00 and so on, each with a link to the next."""
    names = [f"g{k:02d}" for k in range(n)]
    populations = [Population(name, 1, (k,), bias=0, refractory=1) for k, name in enumerate(names)]
    links = [Connection(name, names[(k + 1) % n], "chain", LINK) for k, name in enumerate(names)]
    return populations, links
