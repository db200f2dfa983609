"""The command that times executors: bench."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from lava_nbp.cli.console import OUT, staged
from lava_nbp.cli.options import NETWORK, layers_of
from lava_nbp.cli.tables import table

_HEAD = (
    "executor", "us / sample", "x NumPy loop", "spikes", "synaptic events", "updates", "gate breaches", "W in + out",
)  # fmt: skip


def bench(
    network: Annotated[str, typer.Option(help="Layer sizes.")] = NETWORK,
    out: Annotated[Path | None, typer.Option(help="JSON file to write.", show_default=False)] = None,
) -> None:
    """Time every executor on the same samples and weights."""
    from lava_nbp.base.files import write_atomically
    from lava_nbp.executors.bench import bench as run

    with staged() as stage:
        report = run(layers_of(network), stage=stage)
    title = f"training, {network}, {report['data']}; all executors agree"
    OUT.print(table(_HEAD, map(_cells, report["executors"]), title=title))
    OUT.print("spikes, synaptic events, updates, breaches: per sample, as that executor does them")
    _show_parts(report["primitives"])
    _show_eventprop(report["eventprop"])
    if out is not None:
        write_atomically(out, (json.dumps(report, indent=2) + "\n").encode())
        OUT.print(f"written: {escape(str(out))}")


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["executor"],
        f"{row['microseconds_per_sample']:.1f}",
        f"{row['times_faster_than_numpy_loop']:.2f}",
        *(f"{row[f'{key}_per_sample']:.0f}" for key in ("spikes", "synaptic_events", "updates")),
        f"{row['gate_breaches_per_sample']:.2f}",
        f"{row['weights_in_and_out_ms']:.1f} ms",
    )


def _show_parts(parts: dict[str, Any]) -> None:
    for key, name in (("primitives", "network of primitives"), ("stock", "network of Lava's stock processes")):
        row = parts[key]
        OUT.print(
            f"{name}, {'-'.join(map(str, parts['layers']))}: {row['processes']} Lava processes, "
            f"{row['ms_per_step']:.2f} ms per step, {row['times_one_process']:.1f} times that of one process "
            f"({parts['one_process']['ms_per_step']:.2f} ms); start {row['start_seconds']:.2f} s, stop "
            f"{row['stop_seconds']:.2f} s"
        )


def _show_eventprop(exact: dict[str, Any]) -> None:
    mnist = exact.get("mnist_ms_per_sample")
    OUT.print(
        f"EventProp, one thread: Yin-Yang 5-200-3, batch 32, {exact['yinyang_data']}: "
        f"{exact['yinyang_seconds_per_epoch']:.3f} s per epoch of 5000, {exact['times_faster_than_oracle']:.0f} times "
        f"faster than the oracle, gradients within {exact['gradient_error']:.0e} of it, and the oracle's within "
        f"{exact['oracle_error']:.0e} of central differences; MNIST 784-350-10, batch 5: "
        + (f"{mnist:.2f} ms per sample" if mnist else "not measured, its files are not there")
    )
    OUT.print(
        f"EventProp in integers, dt 0.5 ms, ms per training sample: clocked 5-200-3 "
        f"{exact['clocked_ms_per_sample']:.2f}, "
        f"one Lava process {exact['lava_ms_per_sample']:.2f}; every message on Lava, 5-30-3, "
        f"{exact['lava_primitives_ms_per_sample']:.0f}"
    )
