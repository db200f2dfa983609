"""EventProp to 70 digits: an oracle of its own for spike times, largest voltages and derivatives by differences.

It shares no code with the library. Every neuron is a state at a time, and knows when it will spike if nothing happens
before; an event changes the neurons that it reaches, and no others. Closed forms are written as in the textbook: at
this precision the difference of two exponentials of nearly equal time constants keeps its digits.
"""

from decimal import Decimal, localcontext

DIGITS = 70
#: Of spike times, in their time constant: nearly equal time constants cost 15 digits.
RESOLUTION = Decimal("1e-45")
#: Of central differences: their error is of second order.
STEP = Decimal("1e-14")


class Neuron:
    """V and I at time t, and when V reaches theta; one that only integrates never does, and remembers its maximum."""

    def __init__(self, p, spiking):
        self.tau_m, self.tau_s, self.theta, self.spiking = p[0], p[1], p[2], spiking
        self.t = self.v = self.i = self.peak = Decimal(0)
        self.spike = None

    def voltage(self, h):
        decay = (-h / self.tau_m).exp()
        if self.tau_m == self.tau_s:
            return (self.v + self.i * h / self.tau_m) * decay
        return self.v * decay + self.i * self.tau_s / (self.tau_m - self.tau_s) * (decay - (-h / self.tau_s).exp())

    def current(self, h):
        return self.i * (-h / self.tau_s).exp()

    def top(self):
        """Time until V = I, its maximum; None if it only falls, or rises for ever."""
        if self.i <= self.v or self.i <= 0:
            return None
        if self.tau_m == self.tau_s:
            return self.tau_m * (1 - self.v / self.i)
        argument = (self.v * (self.tau_m - self.tau_s) + self.i * self.tau_s) / (self.i * self.tau_m)
        return -argument.ln() / (1 / self.tau_s - 1 / self.tau_m) if argument > 0 else None

    def advance(self, t):
        """To a later time; a maximum on the way is remembered."""
        h = t - self.t
        if not self.spiking and h > 0:
            top = self.top()
            self.peak = max(self.peak, self.voltage(h if top is None else min(top, h)))
        self.v, self.i, self.t = self.voltage(h), self.current(h), t

    def foresee(self):
        """When it spikes next."""
        self.spike = None
        top = self.top()
        if not self.spiking or top is None or self.i <= self.theta or self.voltage(top) < self.theta:
            return
        low, high = Decimal(0), top
        for _ in range(8):
            middle = (low + high) / 2
            low, high = (middle, high) if self.voltage(middle) < self.theta else (low, middle)
        h = low
        while True:  # Newton, from the left of a rise that flattens
            v = self.voltage(h)
            step = (self.theta - v) * self.tau_m / (self.current(h) - v)
            h += step
            if abs(step) < RESOLUTION * (h + self.tau_m):
                break
        self.spike = self.t + h


def simulate(
    weights, times, sources, p, end, spiking_output=True, loops=None, delays=None, loop_delays=None, taus=None
):
    """First spikes (None: silent) or largest voltages of a sample, and all spikes of neurons as (layer, neuron).

    Everything that is a number may be a Decimal or a float, which is taken for what it is to the last bit. Delays
    (pre, post) of all layers go with weights; `taus` are lists of tau_m and tau_s, a row of neurons per layer.
    """
    p, end, n_layers = [Decimal(x) for x in p], Decimal(end), len(weights)
    weights = [_decimals(w) for w in weights]
    loops, delays, loop_delays = (
        [None if m is None else _decimals(m) for m in given or [None] * n_layers]
        for given in (loops, delays, loop_delays)
    )
    last = n_layers - 1
    layers = [[Neuron(p, k < last or spiking_output) for _ in w[0]] for k, w in enumerate(weights)]
    for k, layer in enumerate(layers if taus else ()):
        for j, neuron in enumerate(layer):
            neuron.tau_m, neuron.tau_s = Decimal(taus[0][k][j]), Decimal(taus[1][k][j])
    pending = sorted(zip(map(Decimal, times), map(int, sources), strict=True))
    on_their_way = []
    first, spikes = [None] * len(layers[-1]), []

    def reach(t, neuron, w):
        neuron.advance(t)
        neuron.i += w
        neuron.foresee()

    def send(t, layer, row, delay):
        for j, (neuron, w) in enumerate(zip(layers[layer], row, strict=True)):
            if delay is None:
                reach(t, neuron, w)
            else:
                on_their_way.append((t + delay[j], layer, j, w))
        on_their_way.sort(key=lambda arrival: arrival[0])

    while True:
        crossings = [
            (n.spike, k, j) for k, layer in enumerate(layers) for j, n in enumerate(layer) if n.spike is not None
        ]
        t, k, j = min(crossings, default=(end + 1, 0, 0))
        input_time = pending[0][0] if pending else end + 1
        arrival = on_their_way[0][0] if on_their_way else end + 1
        if min(t, input_time, arrival) > end:
            break
        if arrival < t and arrival <= input_time:
            t, k, j, w = on_their_way.pop(0)
            reach(t, layers[k][j], w)
            continue
        if input_time < t:
            t, source = pending.pop(0)
            send(t, 0, weights[0][source], delays[0] and delays[0][source])
            continue
        neuron = layers[k][j]
        neuron.advance(t)
        neuron.v = Decimal(0)
        neuron.foresee()
        spikes.append((k, j))
        if k == last and first[j] is None:
            first[j] = t
        if k < last:
            send(t, k + 1, weights[k + 1][j], delays[k + 1] and delays[k + 1][j])
        if loops[k] is not None:
            send(t, k, loops[k][j], loop_delays[k] and loop_delays[k][j])
    for neuron in layers[-1]:
        neuron.advance(end)
    return (first if spiking_output else [n.peak for n in layers[-1]]), spikes


def _decimals(matrix):
    return [[Decimal(x) for x in row] for row in matrix]


def ttfs_loss(first, label, tau0, tau1, alpha):
    """Cross-entropy of first spikes, all of which there are."""
    tau0, tau1, alpha = map(Decimal, (tau0, tau1, alpha))
    total = sum((-(t - min(first)) / tau0).exp() for t in first)
    return (first[label] - min(first)) / tau0 + total.ln() + alpha * ((first[label] / tau1).exp() - 1)


def voltage_loss(peaks, label):
    """Cross-entropy of largest voltages."""
    return sum((v - peaks[label]).exp() for v in peaks).ln()


def slope(of, matrices, direction):
    """Derivative of of(matrices) along a direction of the same shapes; of returns numbers, Nones stay."""
    with localcontext() as context:
        context.prec = DIGITS
        ends = []
        for sign in (1, -1):
            moved = [
                None if m is None else _moved(m, by, sign * STEP) for m, by in zip(matrices, direction, strict=True)
            ]
            ends.append(of(moved))
        return [(a - b) / (2 * STEP) for a, b in zip(*ends, strict=True)]


def _moved(matrix, by, step):
    rows = zip(matrix, by, strict=True)
    return [[Decimal(x) + step * Decimal(d) for x, d in zip(*row, strict=True)] for row in rows]


def exactly(of, *arguments):
    """Call with all digits."""
    with localcontext() as context:
        context.prec = DIGITS
        return of(*arguments)
