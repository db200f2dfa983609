"""An encoder of Norse, and behind it a network that learns with exact gradients, in one PyTorch model.

Two noisy bumps of 20 inputs, left and right. Norse's neurons turn each value into a train of spikes, the more the
larger it is; `EventPropLayer` takes them as times, and is trained by torch's own optimizer: weights, delays and time
constants. snnTorch's encoders make tensors of the same shape (steps, batch, inputs): exchange the line that encodes.

Run it: ``python examples/norse_encoder.py`` (needs the extra dl, and ``pip install norse``)
"""

from __future__ import annotations

import torch
from norse.torch import ConstantCurrentLIFEncoder

from lava_nbp.eventprop import EventPropLayer, spike_times

N_IN, STEPS, DT, END = 20, 40, 1.0, 60.0


def samples(n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Bumps around input 6 or 13, with noise, and which of the two each is."""
    labels = torch.randint(0, 2, (n,), generator=generator)
    centre = 6.0 + 7.0 * labels + 1.5 * torch.randn(n, generator=generator)
    bumps = 2.0 * torch.exp(-((torch.arange(N_IN) - centre[:, None]) ** 2) / 18)
    return bumps + 0.3 * torch.rand(n, N_IN, generator=generator), labels


def main(epochs: int = 15) -> float:
    """Train, and return the share of new samples that are answered right."""
    generator = torch.Generator().manual_seed(0)
    encoder = ConstantCurrentLIFEncoder(STEPS, dt=DT / 1000)
    layer = EventPropLayer(
        (N_IN, 16, 2), END, output="mean_voltages", means=[0.4, 0.0], deviations=[0.3, 0.3], delays=[8.0, 0.0],
        learn_constants=True, generator=generator,
    )  # fmt: skip
    optimizer = torch.optim.Adam(layer.parameters(), lr=2e-2)
    x, y = samples(200, generator)
    times = spike_times(encoder(x), DT)
    print(f"{int(torch.isfinite(times).sum()) / len(times):.0f} spikes per sample, up to {times.shape[2]} of an input")
    for _ in range(epochs):
        for chosen in torch.randperm(len(x), generator=generator).split(20):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(20 * layer(times[chosen]), y[chosen]).backward()
            optimizer.step()
    x, y = samples(200, generator)
    right = float((layer(spike_times(encoder(x), DT)).argmax(dim=1) == y).double().mean())
    print(f"{100 * right:.1f} % of 200 new samples are right")
    return right


if __name__ == "__main__":
    main()
