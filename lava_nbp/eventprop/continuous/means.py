"""Mean voltages of neurons that only integrate, times counting exp(-fading t): what one input spike of weight 1 adds.

Voltages add up, so that the mean is the sum over the input spikes of w share(t).
"""

from __future__ import annotations

import math

from lava_nbp.base.compiled import inner
from lava_nbp.eventprop.continuous.crossing import response
from lava_nbp.eventprop.continuous.own import by_filters


@inner
def norm_of(c, fading):  # type: ignore[no-untyped-def]
    """One over the integral of exp(-fading t) over a trial, 1/ms."""
    return 1.0 / c.end if fading == 0.0 else fading / -math.expm1(-fading * c.end)


@inner
def share_of(c, fading, time):  # type: ignore[no-untyped-def]
    """Share of a spike at a time, and its derivative by that, 1/ms."""
    of_m, of_s, norm, left = 1.0 / c.tau_m + fading, 1.0 / c.tau_s + fading, norm_of(c, fading), c.end - time
    g = response(left, math.exp(-left / c.tau_m), math.exp(-left / c.tau_s), c)
    # The integral of exp(-fading h) response(h), by parts: what comes in, less what is left at the end.
    integral = (-math.expm1(-left * of_s) / (of_s * c.tau_m) - math.exp(-fading * left) * g) / of_m
    share = norm * math.exp(-fading * time) * integral
    return share, -norm * math.exp(-fading * c.end) * g - fading * share


@inner
def share_by_constants(c, fading, time):  # type: ignore[no-untyped-def]
    """Derivatives of a share by tau_m and tau_s, 1/ms: of each factor of `share_of`."""
    of_m, of_s, left = 1.0 / c.tau_m + fading, 1.0 / c.tau_s + fading, c.end - time
    a, b, fades = math.exp(-left / c.tau_m), math.exp(-left / c.tau_s), math.exp(-fading * left)
    g = response(left, a, b, c)
    twice_m, twice_s = by_filters(left, a, b, g, c)
    came = -math.expm1(-left * of_s) / of_s
    integral = (came / c.tau_m - fades * g) / of_m
    by_m = -came / c.tau_m**2 + fades * (c.tau_m * g - twice_m) / c.tau_m**2 + integral / c.tau_m**2
    by_s = (came - left * math.exp(-left * of_s)) / (of_s * c.tau_m * c.tau_s**2) - fades * twice_s / c.tau_s**2
    scale = norm_of(c, fading) * math.exp(-fading * time) / of_m
    return scale * by_m, scale * by_s
