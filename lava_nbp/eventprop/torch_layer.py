"""EventProp layers inside a PyTorch model: spike times in, spike times or voltages out, exact gradients for both.

Needs torch, which the extra `dl` brings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, Literal, get_args

from lava_nbp.base.checks import (
    check_flag,
    check_integer,
    check_kind,
    check_labels,
    check_name,
    check_positive,
    check_real,
    is_real,
    shown,
)
from lava_nbp.base.extras import require
from lava_nbp.base.memory import check_memory
from lava_nbp.errors import DerivativeError, InputError
from lava_nbp.eventprop.continuous.constants import CONSTANTS_RANGE
from lava_nbp.eventprop.continuous.engine import EventPropEngine
from lava_nbp.eventprop.continuous.parameters import LONGEST_DELAY
from lava_nbp.eventprop.equations import AT_THRESHOLD, NeuronParameters
from lava_nbp.eventprop.layers import check_neurons
from lava_nbp.eventprop.losses import Loss, MaxVoltageLoss, MeanVoltageLoss, TTFSLoss, VoltageErrorLoss
from lava_nbp.eventprop.policies import SilentPolicy
from lava_nbp.eventprop.trains import LONGEST_TRIAL

require("torch", "dl", "EventPropLayer")
import torch  # noqa: E402 - after the line that says how to get it
from torch import Tensor  # noqa: E402

from lava_nbp.eventprop.torch_function import Engines, EventProp, check_dense, check_type  # noqa: E402

Output = Literal["first_spikes", "spikes", "max_voltages", "mean_voltages", "voltages"]

#: The engine's memory per weight: the weight, its gradients in parts of a batch, and what an optimizer would remember.
_BYTES_PER_WEIGHT = 8 * 12


class EventPropLayer(torch.nn.Module):
    """A network of LIF neurons as a module: (batch, n_in) times in, (batch, n_out) times or voltages out.

    Weights and times may be float64 or float32; the engine computes in float64. Derivatives are exact, and the first
    ones only: whatever would differentiate them again is refused, and so are vmap and forward mode. A layer may be used
    several times in a model, and in several threads; `torch.compile` leaves it as it is. While it is trained, it warns,
    once, of a layer that did not spike in a whole batch.

    Parameters
    ----------
    sizes : sequence of int
        n_in, hidden layers, n_out.
    end : float
        Length of a trial, ms.
    p : NeuronParameters, or sequence of them
        Time constants and thresholds, as `EventPropEngine` takes them: of all layers, or of each, or of each neuron.
    output : {"first_spikes", "spikes", "max_voltages", "mean_voltages", "voltages"}
        First spike times in ms; the first `spikes` spikes of every output, (batch, n_out, spikes); or, of an output
        layer that only integrates, the largest or the mean voltages, or voltages at the times `at`, (batch, times,
        n_out).
    means, deviations : sequence of float
        Of the normal distribution of every layer's initial weights, in units of the threshold.
    generator : torch.Generator, optional
        For all that is drawn.
    threads : int
        Threads for a batch; results do not depend on it.
    silence : float
        Time that is said where there is no spike, ms: inf, which the next layer takes for no spike, or a finite time,
        `end` or later, with which a cross-entropy of times stays finite where a label's output is silent. Its
        derivative is 0 either way: a spike that is not there cannot be moved.
    tau : float
        Of mean voltages, ms: times count exp(-t / tau), or all alike if it is inf.
    spikes : int
        Of the output "spikes": how many of each output.
    at : sequence of float
        Of the output "voltages": when they are read, ms, rising.
    recurrent : sequence of float, optional
        Deviations of every layer's recurrent weights, of the mean 0; 0: it has none.
    delays, recurrent_delays : sequence of float, optional
        Delays of the weights of every layer, and of its recurrent weights, are drawn evenly from 0 .. this, in ms; 0:
        it has none. They are learned like weights.
    longest_delay : float
        Where delays end, ms.
    learn_constants : bool
        Whether time constants are parameters, too, by their logarithms.
    constants_range : (float, float)
        Least and largest of them, ms.
    silent : SilentPolicy, optional
        What silent neurons are taught: "none"; "phantom", by what `phantom_loss` adds to the loss, which knows labels;
        "bump", when `mind_silence` is called; or "spike_count", beside the loss at every backward pass, as if that were
        a sum over the batch.

    Attributes
    ----------
    weights : ParameterList
        A (pre, post) float64 matrix per layer.
    recurrent, delays, recurrent_delays : ParameterList
        Of the layers that have them, (n, n), (pre, post) and (n, n). A step of an optimizer that carries delays or time
        constants beyond their limits is cut back to these when the layer runs next.
    log_tau_m, log_tau_s : ParameterList
        Natural logarithms of the time constants, (1,) or (n,) per layer, if they are learned.

    Raises
    ------
    InputError
        For arguments of the wrong type or value: fewer than two sizes, other numbers of means than layers, an unknown
        output, numbers that are not finite, a layer that does not fit into memory.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        end: float,
        p: NeuronParameters | Sequence[Any] | None = None,
        output: Output = "first_spikes",
        *,
        means: Sequence[float],
        deviations: Sequence[float],
        generator: torch.Generator | None = None,
        threads: int = 1,
        silence: float = math.inf,
        tau: float = math.inf,
        spikes: int = 1,
        at: Sequence[float] = (),
        recurrent: Sequence[float] | None = None,
        delays: Sequence[float] | None = None,
        recurrent_delays: Sequence[float] | None = None,
        longest_delay: float = LONGEST_DELAY,
        learn_constants: bool = False,
        constants_range: tuple[float, float] = CONSTANTS_RANGE,
        silent: SilentPolicy | None = None,
    ) -> None:
        super().__init__()
        sizes, p = _several(sizes, "sizes"), NeuronParameters() if p is None else p
        n_layers = len(sizes) - 1
        means, deviations = _several(means, "means"), _several(deviations, "deviations")
        if n_layers < 1 or len(means) != n_layers or len(deviations) != n_layers:
            raise InputError(
                f"{len(sizes)} sizes with {len(means)} means and {len(deviations)} deviations; give n_in and the size "
                f"of every layer, and a mean and a deviation per layer"
            )
        loss = _reading(output, tau, spikes, at)
        self.sizes = [check_integer(size, 1, None, "size of a layer") for size in sizes]
        end = check_positive(end, "end of the trial (ms)")
        if not (is_real(silence) and silence == math.inf):
            silence = _check_silence(silence, end, output)
        if generator is not None and not isinstance(generator, torch.Generator):
            raise InputError(f"generator is {shown(generator)}, but must be a Generator, or None")
        check_integer(threads, 1, None, "threads")
        check_flag(learn_constants, "learn_constants")
        policy = SilentPolicy() if silent is None else silent
        check_kind(policy, SilentPolicy, "silent")
        shapes = list(pairwise(self.sizes))
        loops = [(n, n) for n in self.sizes[1:]]
        of_loops = _per_layer(recurrent, n_layers, "recurrent")
        check_memory(
            _BYTES_PER_WEIGHT
            * sum(m * n for m, n in [*shapes, *(loop for loop, d in zip(loops, of_loops, strict=True) if d > 0)]),
            f"a layer of sizes {self.sizes}",
            "make it smaller",
        )
        means = [check_real(mean, -math.inf, math.inf, "mean of weights") for mean in means]
        deviations = [check_real(deviation, 0, math.inf, "deviation of weights") for deviation in deviations]

        def normal(shape: tuple[int, int], mean: float, deviation: float) -> Tensor:
            return mean + deviation * torch.randn(shape, generator=generator, dtype=torch.float64)

        def even(shape: tuple[int, int], longest: float) -> Tensor:
            return longest * torch.rand(shape, generator=generator, dtype=torch.float64)

        longest_delay = check_real(longest_delay, 0, LONGEST_TRIAL, "longest_delay", "it is in ms")
        late, late_loops = (
            _per_layer(given, n_layers, what, longest_delay)
            for given, what in ((delays, "delays"), (recurrent_delays, "recurrent_delays"))
        )
        self.weights = _parameters(normal(*each) for each in zip(shapes, means, deviations, strict=True))
        drawn: dict[str, list[Tensor | None]] = {
            "R": [normal(s, 0.0, d) if d > 0 else None for s, d in zip(loops, of_loops, strict=True)],
            "D": [even(s, d) if d > 0 else None for s, d in zip(shapes, late, strict=True)],
            "E": [even(s, d) if d > 0 else None for s, d in zip(loops, late_loops, strict=True)],
        }
        self.recurrent, self.delays, self.recurrent_delays = (
            _parameters(t for t in tensors if t is not None) for tensors in drawn.values()
        )
        arrays = {name: [None if t is None else t.numpy() for t in tensors] for name, tensors in drawn.items()}
        make = partial(
            EventPropEngine, p=p, loss=loss, end=end, threads=threads,
            recurrent=arrays["R"], delays=arrays["D"], recurrent_delays=arrays["E"], longest_delay=longest_delay,
            constants_range=constants_range, delay_rate=1.0, constant_rate=float(bool(learn_constants)),
            said_spikes=spikes, silent=policy,
        )  # fmt: skip
        first = make([w.detach().numpy() for w in self.weights])
        logs = [m for name, m in zip(first.names, first.matrices, strict=True) if name.startswith("tau")]
        half = len(logs) // 2
        self.log_tau_m, self.log_tau_s = (
            _parameters(torch.from_numpy(log.copy()) for log in part) for part in (logs[:half], logs[half:])
        )
        self._limits = [None if name[0] in "WR" else pair for name, pair in zip(first.names, first.limits, strict=True)]
        n = self.sizes[-1]
        shapes_said = {"spikes": (n, spikes), "voltages": (len(at), n)}
        self._shape = shapes_said.get(output)
        self._engine = Engines(make, first, silence)
        self._phantom: Engines | None = None
        if policy.name == "phantom":
            leaky = partial(make, loss=MaxVoltageLoss(), said_spikes=1, silent=SilentPolicy())
            self._phantom = Engines(leaky, leaky(first.weights), math.inf)
            last = check_neurons(p, self.sizes[1:])[-1]
            each = (last,) * n if isinstance(last, NeuronParameters) else last
            self._thresholds = torch.tensor([neuron.theta * AT_THRESHOLD for neuron in each], dtype=torch.float64)

    @property
    def _learned(self) -> list[torch.nn.Parameter]:
        """All parameters, in the engine's order."""
        lists = self.weights, self.recurrent, self.delays, self.recurrent_delays, self.log_tau_m, self.log_tau_s
        return [parameter for of_layers in lists for parameter in of_layers]

    def forward(self, times: torch.Tensor) -> torch.Tensor:
        """What the network says to input spikes (batch, n_in) or (batch, n_in, k) in ms, inf for none.

        Raises
        ------
        InputError
            For times outside the trial, or of another shape or type; for weights that somebody has exchanged for some
            of another shape or type, or that are not finite.
        """
        return _as_it_is(self._run, times)

    def mind_silence(self) -> None:
        """What the policy "bump" does, to be called after a step of the optimizer.

        All weights into a neuron that has been silent in every training pass since the last call grow by its strength.
        Without that policy, or a pass, nothing happens.
        """
        with torch.no_grad():
            for w, silent in zip(self.weights, self._engine.silent_since(), strict=False):
                w[:, torch.from_numpy(silent)] += self._engine.policy.strength

    def phantom_loss(self, times: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Losses (batch,) of the policy "phantom", to be added to those of the samples.

        L = -strength max_t V_y where the label's output y is silent, else 0

        With the other policies it is 0. The network runs once more, and the silent samples twice.

        Parameters
        ----------
        times : Tensor
            As `forward` takes them.
        labels : (batch,) of an integer type
            Classes, 0 .. n_out - 1.

        Raises
        ------
        InputError
            As `forward`, and for labels that are no tensor, or no classes, one per sample.

        Examples
        --------
        >>> import torch
        >>> from lava_nbp.eventprop import EventPropLayer, SilentPolicy
        >>> phantom = SilentPolicy("phantom", strength=0.5)
        >>> layer = EventPropLayer((2, 3), 30.0, means=[0.5], deviations=[0.0], silence=30.0, silent=phantom)
        >>> times, labels = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([0, 2])
        >>> losses = torch.nn.functional.cross_entropy(-layer(times), labels, reduction="none")
        >>> (losses + layer.phantom_loss(times, labels)).mean().backward()
        >>> layer.weights[0].grad[:, 1].tolist()  # label of none
        [0.0, 0.0]
        >>> bool((layer.weights[0].grad[:, [0, 2]] < 0).all())  # gradient descent makes them larger
        True
        """
        return _as_it_is(self._phantom_loss, times, labels)

    def _phantom_loss(self, times: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        self._check(times)
        if not isinstance(labels, torch.Tensor):
            raise InputError(f"labels are a {type(labels).__name__}, but must be a torch.Tensor; see torch.as_tensor")
        if labels.is_floating_point():  # NumPy does not know all of them
            raise InputError(f"labels are {labels.dtype}, but must be integers; see Tensor.long")
        check_dense(labels, "labels")
        classes = torch.from_numpy(check_labels(labels.detach().cpu().numpy(), len(times), self.sizes[-1]))
        losses = torch.zeros(len(times), dtype=times.dtype, device=times.device)
        if self._phantom is None:
            return losses
        with torch.no_grad():
            peaks = self._peaks(times, classes)
        # An output that is never reset is below its threshold all the time if and only if it does not spike.
        silent = torch.nonzero(peaks.cpu() < self._thresholds[classes]).flatten()
        peaks = self._peaks(times[silent.to(times.device)], classes[silent])
        return losses.index_put((silent.to(times.device),), -self._engine.policy.strength * peaks)

    def _peaks(self, times: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        """Largest voltages (batch,) of the outputs of these classes, if they are never reset."""
        peaks: torch.Tensor = EventProp.apply(self._phantom, times, *self._learned)  # type: ignore[no-untyped-call]
        return peaks.gather(1, classes.to(peaks.device)[:, None])[:, 0]

    def _run(self, times: torch.Tensor) -> torch.Tensor:
        self._check(times)
        said: torch.Tensor = EventProp.apply(self._engine, times, *self._learned)  # type: ignore[no-untyped-call]
        if self.training and torch.is_grad_enabled():
            self._engine.mind_pass(len(times))
        return said if self._shape is None else said.reshape(len(said), *self._shape)

    def _check(self, times: torch.Tensor) -> None:
        """Refuse times that are none, and bring parameters back into their limits."""
        n_in = self.sizes[0]
        if not isinstance(times, torch.Tensor):
            raise InputError(f"times are a {type(times).__name__}, but must be a torch.Tensor; see torch.as_tensor")
        if times.ndim not in (2, 3) or times.shape[1] != n_in:
            raise InputError(
                f"times have shape {tuple(times.shape)}, but must be (batch, {n_in}), or (batch, {n_in}, spikes)"
            )
        check_type(times, "times")
        if torch._C._are_functorch_transforms_active():
            raise DerivativeError(
                "EventPropLayer knows nothing of torch.func and vmap; use torch.autograd, and one batch of all samples"
            )
        with torch.no_grad():
            for part, limits in zip(self._learned, self._limits, strict=False):
                # What is changed in place cannot be differentiated by earlier passes any more: only where it must be.
                if limits and bool(((part < limits[0]) | (part > limits[1])).any()):
                    part.clamp_(*limits)


def spike_times(spikes: torch.Tensor, dt: float = 1.0) -> torch.Tensor:
    """Times (batch, n, k) in ms, inf for none, of what other libraries call spikes: (steps, batch, n), 0 for none.

    A spike of step s is at s dt; k is the largest number of spikes of an input, at least 1. What is larger than 1 is
    one spike, too. It is what Norse's and snnTorch's encoders make, as `EventPropLayer` takes it.

    Raises
    ------
    InputError
        For another shape, or a step that is no positive number.

    Examples
    --------
    >>> import torch
    >>> spike_times(torch.tensor([[[0.0, 1.0]], [[1.0, 0.0]], [[1.0, 0.0]]]), dt=0.5).tolist()
    [[[0.5, 1.0], [0.0, inf]]]
    """
    dt = check_positive(dt, "dt (ms)")
    if not isinstance(spikes, torch.Tensor) or spikes.ndim != 3 or spikes.layout != torch.strided:
        raise InputError(f"spikes are {shown(spikes)}, but must be a dense torch.Tensor (steps, batch, n)")
    there = spikes.detach() != 0
    steps = torch.arange(len(spikes), dtype=torch.float64, device=spikes.device)
    times = torch.where(there, (dt * steps)[:, None, None], torch.tensor(math.inf, dtype=torch.float64))
    most = max(int(there.sum(dim=0).max()) if there.numel() else 0, 1)
    filled = times if len(times) >= most else torch.full((most, *times.shape[1:]), math.inf, dtype=torch.float64)
    return filled.sort(dim=0).values[:most].permute(1, 2, 0).contiguous()


def _reading(output: str, tau: float, spikes: int, at: Sequence[float]) -> Loss:
    """The loss whose numbers an output says."""
    check_name(output, "output", get_args(Output))
    check_integer(spikes, 1, None, "spikes")
    at = _several(at, "at")
    given = {"tau": not (is_real(tau) and tau == math.inf), "spikes": spikes != 1, "at": bool(at)}
    for (what, there), value, owner in zip(
        given.items(), (tau, spikes, at), ("mean_voltages", "spikes", "voltages"), strict=True
    ):
        if there and output != owner:
            raise InputError(f"{what} is {shown(value)}, but only {owner} have it, not {output}; leave it out")
    if output == "voltages":
        return VoltageErrorLoss(tuple(at))
    if output == "mean_voltages":
        return MeanVoltageLoss(tau)
    return MaxVoltageLoss() if output == "max_voltages" else TTFSLoss()


def _as_it_is(run: Callable[..., Tensor], *arguments: Any) -> Tensor:
    """What a function returns. Where torch compiles, there is nothing to compile: leave the graph, and run as ever."""
    if torch.compiler.is_compiling():
        run = torch.compiler.disable(run)  # type: ignore[no-untyped-call]
    return run(*arguments)


def _parameters(tensors: Iterable[Tensor]) -> torch.nn.ParameterList:
    return torch.nn.ParameterList(torch.nn.Parameter(tensor) for tensor in tensors)


def _per_layer(values: Any, n_layers: int, what: str, most: float = math.inf) -> list[float]:
    """A number of 0 or more for each layer; all 0 if there are none."""
    given = [0.0] * n_layers if values is None else _several(values, what)
    if len(given) != n_layers:
        raise InputError(f"{what} has {len(given)} entries, but there are {n_layers} layers; give one for each")
    return [check_real(value, 0, most, what) for value in given]


def _several(values: Any, what: str) -> list[Any]:
    try:
        return list(values)
    except TypeError:
        raise InputError(f"{what} are {shown(values)}, but must be a sequence of numbers") from None


def _check_silence(silence: Any, end: float, output: str) -> float:
    if output != "first_spikes":
        raise InputError(
            f"silence is {shown(silence)}, but only first_spikes may be silent, not {output}; leave it out"
        )
    return check_real(silence, end, math.inf, "silence (ms)", "give the end of the trial or a later time, or inf")
