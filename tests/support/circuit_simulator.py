"""A slow, dense simulator of any circuit: plain NumPy on the circuit's fields, sharing no code with the library.

A matrix per connection, all spikes of all steps kept. What the library's executors do is compared with this.
"""

import numpy as np


def simulate(circuit, weights, *spikes):
    """Run samples, an array per source; return spikes (n * period + 1, size) by population, weights by projection."""
    size = {p.name: p.size for p in circuit.populations}
    chain = {c.pre for c in circuit.connections if c.role == "chain"}
    fixed = []
    for c in circuit.connections:
        one_to_one = np.eye(size[c.pre], dtype=int) if size[c.pre] == size[c.post] else np.ones((1, size[c.post]), int)
        fixed.append((c.pre, c.post, c.weight * one_to_one, c.delay))
    held = {}
    for p in circuit.projections:
        matrix = np.array(weights[p.matrix], dtype=int)
        held[p.name] = p.sign * (matrix.T if p.transposed else matrix)
    steps = circuit.period * len(spikes[0]) + 1
    fired = {name: np.zeros((steps, n), dtype=int) for name, n in size.items()}
    delivering = held
    for step in range(steps):
        total = {name: np.zeros(n, dtype=int) for name, n in size.items()}
        for pre, post, matrix, delay in fixed:
            if step > delay:
                total[post] += fired[pre][step - 1 - delay] @ matrix
        for p in circuit.projections:
            if step > 0:
                total[p.post] += fired[p.pre][step - 1] @ delivering[p.name]
        for s, samples in zip(circuit.sources, spikes, strict=True):
            sample, rest = divmod(step - s.phase, circuit.period)
            if rest == 0 and 0 <= sample < len(samples):
                total[s.population] += s.weight * samples[sample].astype(int)
        for p in circuit.populations:
            assert abs(total[p.name]).max() < 2**17, "a sum leaves the register; simulate smaller weights"
            if step == 0 and p.name in chain and p.phases == (0,):
                total[p.name] += 9280
            quiet = fired[p.name][max(0, step - p.refractory + 1) : step].sum(axis=0) == 0
            fired[p.name][step] = (total[p.name] + p.bias > 1024) & quiet
        if circuit.chip_order:
            delivering = {name: w.copy() for name, w in held.items()}
        if circuit.rule is not None:
            r = int(step % circuit.period in circuit.reward_phases)
            for p in circuit.projections:
                ends = {"x0": fired[p.pre][step][:, None], "y0": fired[p.post][step][None, :], "r": r}
                held[p.name] = np.clip(held[p.name] + eval(circuit.rule.dw, {}, ends), -254, 254)
        if not circuit.chip_order:
            delivering = held
    return fired, held
