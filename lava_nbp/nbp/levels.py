"""The neuron and the weights of the papers' circuits, in weight units (register value / 64).

Neuron of every population (Loihi's CUBA-LIF with both decays complete, hence without memory)::

    v[t] = wrap(sum of w * s_pre[t - 1 - delay]) + bias
    s[t] = v[t] > THRESHOLD and no spike in the last (refractory - 1) steps

Source: Renner et al., Nature Communications 15, 9691 (2024), Methods and the parameters published with it.
"""

#: Firing threshold of every neuron, in weight units.
THRESHOLD = 1024
#: Bias of every gated population; gating neurons have none.
GATED_BIAS = -8192
#: Gate: half-way to the threshold; the target fires if its other input is > 512.
GATE = 8704
#: On top of a gate: the target fires if its other input is > 0.
GATE_LOW = 512
#: Instead of a gate: the target fires if its other input is > 1024.
GATE_HIGH = 8192
#: One-to-one copy of a spike, given a gate (just over 512).
RELAY = 520
#: One-to-one cancellation of a relay.
ANTI_RELAY = -520
#: Link of the synfire chain (gating neurons have no bias).
LINK = 9280
#: A gated population fires if its other input exceeds this; its copies `_lo` and `_hi` above the other two.
FIRE = THRESHOLD - GATED_BIAS - GATE
FIRE_LOW = FIRE - GATE_LOW
FIRE_HIGH = THRESHOLD - GATED_BIAS - GATE_HIGH
#: Keeps a population silent whatever a relay or a moderate dense input says.
INHIBIT = -8128
#: The same with the largest weight exponent, for layers whose dense input overcomes INHIBIT.
STRONG_INHIBIT = -32512
