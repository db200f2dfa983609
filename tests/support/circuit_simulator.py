"""A slow, dense simulator of any circuit: plain NumPy on the circuit's fields, sharing no code with the library.

A matrix per connection, all spikes of all steps kept. What the library's executors do is compared with this.
"""

import numpy as np

_WORD = 2**64 - 1


def drawn(key, a, b, c):
    """64 bits, in Python's integers: SplitMix64's output function of a sum of multiples."""
    z = (key + a * 0x9E3779B97F4A7C15 + b * 0xD1B54A32D192ED03 + c * 0x8CB92BA72F3D8DD7) & _WORD
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & _WORD
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & _WORD
    return z ^ z >> 31


def rounded(key, sample, what, probability, pairs):
    """Those of a list of pairs that change: between two of them a geometrically distributed number does not."""
    left = 2**32 - min(max(round(probability * 2**32), 1), 2**32)
    more, part = [], 2**32
    while len(more) < 1024:
        part = part * left >> 32
        more.append(part)
        if part == 0:
            break
    made, at, n = [], 0, 0
    while True:
        draw = drawn(key, sample, n, what) >> 32
        n += 1
        k = sum(draw < limit for limit in more)
        at += k
        if k == len(more) and more[-1] > 0:
            continue
        if at >= len(pairs):
            return made
        made.append(pairs[at])
        at += 1


def simulate(circuit, weights, *spikes, epoch=0):
    """Run samples, an array per source; return spikes (n * period + 1, size) by population, weights by projection."""
    key = int(np.random.SeedSequence([circuit.seed, epoch]).generate_state(1, np.uint64)[0])
    probability = circuit.update_probability.at(epoch)
    ends = np.cumsum([p.size for p in circuit.populations])
    first = {p.name: int(end) - p.size for p, end in zip(circuit.populations, ends, strict=True)}
    matrices = [m.name for m in circuit.matrices]
    size = {p.name: p.size for p in circuit.populations}
    chain = {c.pre for c in circuit.connections if c.role == "chain"}
    fixed = []
    for c in circuit.connections:
        one_to_one = np.eye(size[c.pre], dtype=int)
        if size[c.pre] != size[c.post]:
            one_to_one = np.ones((size[c.pre], size[c.post]), int)
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
            noise = np.zeros(p.size, dtype=int)
            if p.noise > 1:
                rows = range(first[p.name], first[p.name] + p.size)
                noise = np.array([(drawn(key, step, int(neuron), 3) >> 40) * p.noise >> 24 for neuron in rows])
            fired[p.name][step] = (total[p.name] + p.bias > 1024 + noise) & quiet
        if circuit.chip_order:
            delivering = {name: w.copy() for name, w in held.items()}
        if circuit.rule is not None:
            r = int(step % circuit.period in circuit.reward_phases)
            for p in circuit.projections:
                ends = {"x0": fired[p.pre][step][:, None], "y0": fired[p.post][step][None, :], "r": r}
                change = np.broadcast_to(eval(circuit.rule.dw, {}, ends), held[p.name].shape)
                if probability < 1 and change.any():
                    # Row by row of the matrix, whatever this copy of it looks like.
                    own = change.T if p.transposed else change
                    pairs = [(int(i), int(j)) for i, j in np.argwhere(own != 0)]
                    grows = own[pairs[0]] * p.sign > 0
                    what = 4 + 2 * matrices.index(p.matrix) + int(grows)
                    some = np.zeros_like(own)
                    for pair in rounded(key, (step - 1) // circuit.period, what, probability, pairs):
                        some[pair] = own[pair]
                    change = some.T if p.transposed else some
                held[p.name] = np.clip(held[p.name] + change, -254, 254)
        if not circuit.chip_order:
            delivering = held
    return fired, held
