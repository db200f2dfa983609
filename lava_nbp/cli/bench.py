"""The command that times executors: bench."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from lava_nbp.cli.console import OUT, staged
from lava_nbp.cli.options import CIRCUIT, Network, circuit_of
from lava_nbp.cli.tables import table

_HEAD = ("executor", "us / sample", "spikes", "synaptic events", "updates", "gate breaches", "W in + out")


def bench(
    circuit: Annotated[str, typer.Option(help=CIRCUIT)] = "nbp",
    network: Network = None,
    out: Annotated[Path | None, typer.Option(help="JSON file to write.", show_default=False)] = None,
) -> None:
    """Time every executor of a circuit on the same samples and weights, and EventProp's."""
    from lava_nbp.base.files import check_output, write_atomically
    from lava_nbp.executors.bench import bench as run

    if out is not None:
        check_output(out)
    with staged() as stage:
        report = run(circuit_of(circuit, network), stage=stage)
    rows, sizes = report["executors"], "-".join(map(str, report["layers"]))
    head = (*_HEAD[:2], f"x {rows[0]['executor']}" if rows else "", *_HEAD[2:])
    doing = "training" if report["learning"] else "inference"
    title = f"{report['circuit']}, {doing}, {sizes}, {report['data']}; all executors agree"
    OUT.print(table(head, map(_cells, rows), title=title))
    OUT.print("spikes, synaptic events, updates, breaches: per sample, as that executor does them")
    for row in report["left_out"]:
        OUT.print(f"left out, {row['target']}: {escape(row['reason'])}")
    _show_sample(report)
    _show_networks(report["networks"])
    _show_eventprop(report["eventprop"])
    if out is not None:
        write_atomically(out, (json.dumps(report, indent=2) + "\n").encode())
        OUT.print(f"written: {escape(str(out))}")


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["executor"],
        f"{row['microseconds_per_sample']:.1f}",
        f"{row['times_the_first']:.2f}",
        *(f"{row[f'{key}_per_sample']:.0f}" for key in ("spikes", "synaptic_events", "updates")),
        f"{row['gate_breaches_per_sample']:.2f}",
        f"{row['weights_in_and_out_ms']:.1f} ms",
    )


def _show_sample(report: dict[str, Any]) -> None:
    beside = report["beside_weight_rows"]
    if beside is not None:
        OUT.print(
            f"the weight rows of a forward pass alone, added up: {beside['rows_microseconds']:.2f} us per sample; "
            f"sample takes {beside['sample_microseconds']:.2f} us, {beside['times']:.2f} times as long"
        )
    said = (
        f"{row['shape']} {'-'.join(map(str, row['layers']))} {row['microseconds_per_sample']:.1f} us per sample, "
        f"{row['microseconds_per_thousand']:.3f} us per thousand synaptic operations "
        f"(x {row['times_three_layers']:.2f})"
        for row in report["shapes"]
    )
    OUT.print("sample, by shape: " + "; ".join(said))


def _show_networks(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        one, own, faster = row["one_process"], row["own_processes"], row["times_faster"]
        OUT.print(
            f"{row['target']}, {'-'.join(map(str, row['layers']))}, {row['processes']} Processes of Lava, in one "
            f"process (each in its own): {one['ms_per_step']:.3f} ({own['ms_per_step']:.3f}) ms per step, "
            f"{faster['ms_per_step']:.1f} times faster; "
            f"start {one['start_seconds']:.3f} ({own['start_seconds']:.3f}) s, "
            f"{faster['start_seconds']:.1f} times faster; stop {one['stop_seconds']:.3f} ({own['stop_seconds']:.3f}) s"
        )


def _show_eventprop(exact: dict[str, Any]) -> None:
    OUT.print(
        f"EventProp, one thread: Yin-Yang 5-200-3, batch 32, {exact['yinyang_data']}: "
        f"{exact['yinyang_seconds_per_epoch']:.3f} s per epoch of 5000, {exact['times_faster_than_oracle']:.0f} times "
        f"faster than the oracle, gradients within {exact['gradient_error']:.0e} of it, and the oracle's within "
        f"{exact['oracle_error']:.0e} of central differences; {exact['mnist_data']} 784-350-10, batch 5: "
        f"{exact['mnist_ms_per_sample']:.2f} ms per sample"
    )
    for name, beside in exact["beside_flow"].items():
        OUT.print(
            f"EventProp, {name} {'-'.join(map(str, beside['layers']))}: to flow every neuron once per event, forward "
            f"and backward, {beside['neuron_events_per_sample']:.0f} times per sample, takes "
            f"{beside['flow_microseconds']:.2f} us; to learn takes {beside['microseconds_per_sample']:.2f} us, "
            f"{beside['times']:.1f} times as long"
        )
    for name, batches in exact["two_threads"].items():
        if batches:
            said = ", ".join(
                f"{row['times']:.2f} times{'' if k else ' as fast as one'} with batches of {row['batch']}"
                for k, row in enumerate(batches)
            )
            OUT.print(f"EventProp, {name}: two threads are {said}, and learn the same to the bit")
    rows = (
        f"{row['target']} {'-'.join(map(str, row['layers']))} {row['ms_per_sample']:.2f}" for row in exact["clocked"]
    )
    OUT.print(f"EventProp in integers, dt 0.5 ms, ms per training sample: {', '.join(rows)}")
