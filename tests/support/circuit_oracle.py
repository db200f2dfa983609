"""A second, independent transcription of the nBP circuit, and a slow dense simulator of it.

Shares nothing with lava_nbp: neurons and synapses are written down once more from
Renner et al. 2024, as text, and run step by step with one big weight matrix per
delay. What the library's executors do is compared with this.
"""

import numpy as np

GATED = ["x", "m_x", "h1", "h1_lo", "h1_hi", "h1_T", "m_h1", "c_h1"]
GATED += ["o", "o_lo", "o_hi", "o_T", "t", "d_pos", "d_neg"]

FIXED = """
x m_x 520 4; h1 m_h1 520 0
o_lo d_neg 8704 0; o_lo d_pos 8704 0; o_hi d_neg -520 0
o d_neg 520 0; t d_neg -520 0; t d_pos 520 0; o d_pos -520 0
d_neg o 520 4; d_neg o_lo 520 4; d_neg o_hi 520 4
d_pos o 520 0; d_pos o_lo 520 0; d_pos o_hi 520 0
d_neg o_T 520 0; d_pos o_T 520 4
m_h1 h1 520 1; m_h1 h1 520 5; m_h1 h1_T 520 1; m_h1 h1_T 520 5
h1_T h1 520 0; h1_T h1_lo 520 0; h1_T h1_hi 520 0
m_x x 520 0; m_x x 520 4
c_h1 h1 8704 0; c_h1 h1 8704 4; c_h1 h1_lo 8704 0; c_h1 h1_lo 8704 4; c_h1 h1_hi 8704 0; c_h1 h1_hi 8704 4
h1_lo c_h1 520 3; h1_hi c_h1 -520 3
"""

GATES = """
g01 x 8704
g02 h1 8704; g02 h1_lo 9216; g02 h1_hi 8192
g03 o 8704; g03 o_lo 9216; g03 o_hi 8192; g03 t 8704; g03 m_h1 8704
g04 h1_T -8128; g04 o_T -8128
g05 h1 8704; g05 h1_T 8704; g05 o_T 8704; g05 o 8704; g05 o_lo 8704; g05 o_hi 8704
g06 m_x 8704; g06 c_h1 8704; g06 h1_T 9216; g06 o -8128; g06 o_lo -8128; g06 o_hi -8128
g07 x 8704
g08 h1 -8128; g08 h1_lo -8128; g08 h1_hi -8128
g09 h1 8704; g09 h1_T 8704; g09 o 8704; g09 o_lo 8704; g09 o_hi 8704; g09 o_T 8704
g10 h1_T 9216; g10 o -8128; g10 o_lo -8128; g10 o_hi -8128
g11 x 8704
g00 o -8128; g00 o_lo -8128; g00 o_hi -8128
"""

PLASTIC = {
    "W1": ("x", "h1"), "W1_lo": ("x", "h1_lo"), "W1_hi": ("x", "h1_hi"),
    "W2": ("h1", "o"), "W2_lo": ("h1", "o_lo"), "W2_hi": ("h1", "o_hi"),
    "W2_T": ("o", "h1_T"), "W2_T_neg": ("o_T", "h1_T"),
}  # fmt: skip


def simulate(x, labels, W1, W2, chip_order=False):
    """Run the samples; return spikes {population: (12 n + 1, size)} and weights {name: (pre, post)}."""
    (n_in, n_hid), n_out = W1.shape, W2.shape[1]
    sizes = {}
    for name in GATED:
        sizes[name] = n_in if name in ("x", "m_x") else n_hid if "h1" in name else n_out
    chain = [f"g{k:02d}" for k in range(12)]
    sizes.update(dict.fromkeys(chain, 1))
    weights = {
        "W1": W1.copy(), "W1_lo": W1.copy(), "W1_hi": W1.copy(),
        "W2": W2.copy(), "W2_lo": W2.copy(), "W2_hi": W2.copy(),
        "W2_T": W2.T.copy(), "W2_T_neg": -W2.T.copy(),
    }  # fmt: skip
    weights = {k: v.astype(int) for k, v in weights.items()}
    delivering = weights
    fixed = []
    for line in FIXED.replace("\n", ";").split(";"):
        if line.strip():
            pre, post, w, delay = line.split()
            fixed.append((pre, post, int(w) * np.eye(sizes[pre], dtype=int), int(delay)))
    for line in GATES.replace("\n", ";").split(";"):
        if line.strip():
            pre, post, w = line.split()
            fixed.append((pre, post, np.full((1, sizes[post]), int(w)), 0))
    for k in range(12):
        fixed.append((chain[k], chain[(k + 1) % 12], np.array([[9280]]), 0))
    steps = 12 * len(x) + 1
    spikes = {p: np.zeros((steps, n), dtype=int) for p, n in sizes.items()}
    for step in range(steps):
        total = {p: np.zeros(n, dtype=int) for p, n in sizes.items()}
        for pre, post, w, delay in fixed:
            if step - 1 - delay >= 0:
                total[post] += spikes[pre][step - 1 - delay] @ w
        for name, (pre, post) in PLASTIC.items():
            if step >= 1:
                total[post] += spikes[pre][step - 1] @ delivering[name]
        if step == 0:
            total["g00"] += 9280
        sample, phase = divmod(step, 12)
        if phase == 2:
            total["x"] += 520 * x[sample].astype(int)
        if phase == 4:
            total["t"][labels[sample]] += 520
        for p, n in sizes.items():
            v = total[p] - (0 if p in chain else 8192)
            fire = v > 1024
            if p not in chain and p != "h1_T" and step >= 1:
                fire &= spikes[p][step - 1] == 0
            spikes[p][step] = fire
            assert len(fire) == n
        r = int(phase in (6, 8))
        delivering = {name: w.copy() for name, w in weights.items()} if chip_order else weights
        for name, (pre, post) in PLASTIC.items():
            both = np.outer(spikes[pre][step], spikes[post][step])
            weights[name] = np.clip(weights[name] + 4 * r * both - 2 * both, -254, 254)
    return spikes, weights
