"""In which order the models of a step are best begun with: so that few have to wait for each other.

A model that has all its messages does not wait. Where models form rings, somebody has to be begun with that waits; best
one that sends before it waits, as Lava's Dense: nobody waits for it then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence, Set


def find_order(needs: Sequence[Set[int]], early: Sequence[Set[int] | None]) -> list[int]:
    """An order of models 0 .. n - 1.

    Parameters
    ----------
    needs : sequence of set
        Whose messages each model receives in a step.
    early : sequence of set or None
        Whose messages it needs before it has sent all of its own; None: not known to send before it has them all.
    """
    takers: list[list[int]] = [[] for _ in needs]
    for k, sources in enumerate(needs):
        for source in sources:
            takers[source].append(k)
    missing, before_sending = [len(sources) for sources in needs], [len(e or ()) for e in early]
    todo, sent = dict.fromkeys(range(len(needs))), [False] * len(needs)
    ready = deque(k for k in todo if not missing[k])
    order = []

    def tell(sender: int) -> None:
        """Its messages are sent; so are, then, those of whoever was begun with and waited for just these."""
        told = [sender]
        while told:
            source = told.pop()
            sent[source] = True
            for k in takers[source]:
                missing[k] -= 1
                before_sending[k] -= source in (early[k] or ())
                if not missing[k] and k in todo:
                    ready.append(k)
                elif k not in todo and not sent[k] and k not in told and _sends(k):
                    told.append(k)

    def _sends(k: int) -> bool:
        return not missing[k] or (early[k] is not None and not before_sending[k])

    while todo:
        if ready:
            chosen = ready.popleft()
        else:
            senders = [k for k in todo if _sends(k)] or list(todo)
            chosen = min(senders, key=lambda k: min((missing[taker] for taker in takers[k]), default=len(needs)))
        del todo[chosen]
        order.append(chosen)
        if _sends(chosen):
            tell(chosen)
    return order
