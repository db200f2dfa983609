"""Files of others: .npz, IDX, NIR, netx."""

from __future__ import annotations

import functools
import shutil
import struct
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
from hypothesis import strategies as st
from idx import write_mnist

from fuzz.cases import EDGES, damaged
from fuzz.door import kept, refused_in_a_line, scratch
from lava_nbp.base.files import read_npz
from lava_nbp.data.dataset import load_dataset
from lava_nbp.eventprop.equations import NeuronParameters, response
from lava_nbp.exchange.dense import DenseNetwork
from lava_nbp.exchange.netx_file import write_netx
from lava_nbp.exchange.nir_graph import write_nir
from lava_nbp.training.start import read_layers


def files(*made: Path):
    """Files with their bytes changed, or cut: pairs of a name and a content."""
    return st.sampled_from(made).flatmap(lambda path: st.tuples(st.just(path.name), damaged(path.read_bytes())))


def npz_files():
    paths = []
    for name, save in (("plain.npz", np.savez), ("packed.npz", np.savez_compressed)):
        path = kept() / name
        save(path, W1=np.zeros((3, 2), np.int64), W2=np.ones((2, 2)), name=np.array("x"))
        paths.append(path)
    return files(*paths)


def enter_npz(case):
    name, content = case
    with scratch() as folder:
        (folder / name).write_bytes(content)
        with suppress(ValueError):  # as it says
            read_npz(folder / name)


def header_cases():
    """Arrays whose header promises what is not there."""
    shapes = st.lists(st.sampled_from((0, 1, 3, -1, 2**31, 2**62, 10**22)), max_size=4).map(tuple)
    types = st.sampled_from(("<f8", "<i8", "|b1", "<c16", "|O", "<U4", "|V8", "<M8[s]", "<f2", ">i4"))
    return st.tuples(shapes, types, st.booleans(), st.integers(0, 64))


def enter_header(case):
    shape, kind, fortran, n = case
    content = f"{{'descr': {kind!r}, 'fortran_order': {fortran}, 'shape': {shape}, }}".encode()
    content = content.ljust(117) + b"\n"
    member = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(content)) + content + bytes(n)
    with scratch() as folder:
        with zipfile.ZipFile(folder / "w.npz", "w") as archive:
            archive.writestr("W1.npy", member)
        with suppress(ValueError):
            read_npz(folder / "w.npz")


@functools.cache
def mnist_folder() -> Path:
    write_mnist(kept() / "sets")
    return kept() / "sets"


def idx_files():
    raw = mnist_folder() / "MNIST" / "raw"
    return files(*sorted(raw.iterdir()))


def enter_idx(case):
    name, content = case
    with scratch() as folder:
        shutil.copytree(mnist_folder(), folder / "root")
        (folder / "root" / "MNIST" / "raw" / name).write_bytes(content)
        with refused_in_a_line():
            data = load_dataset("mnist", root=folder / "root", verify=False)
            assert set(np.unique(data.test.y)) <= set(range(10))


@functools.cache
def exported() -> tuple[Path, Path]:
    rng = np.random.default_rng(0)
    forgetful = DenseNetwork(
        (rng.integers(-9, 9, (4, 3)) * 2.0, rng.integers(-9, 9, (3, 2)) * 2.0), 513.0, 0.0, 0.0, 1.0, 1.0
    )
    p = NeuronParameters()
    late = DenseNetwork(
        (rng.normal(1, 1, (4, 3)), rng.normal(1, 1, (3, 2))), 1.0, np.exp(-0.5 / p.tau_m), np.exp(-0.5 / p.tau_s),
        response(0.5, p), 0.5, delays=(rng.integers(0, 3, (4, 3)) * 0.5, rng.uniform(0, 9, 3)),
    )  # fmt: skip
    paths = kept() / "made.nir", kept() / "made.net", kept() / "late.nir", kept() / "late.net"
    write_nir(forgetful, paths[0])
    write_netx(forgetful, paths[1])
    loop = {"recurrent": (None, rng.normal(0, 1, (2, 2))), "recurrent_delays": (None, np.ones(2))}
    write_nir(replace(late, **loop), paths[2])
    write_netx(late, paths[3])
    return paths


def exchange_files():
    names = {}
    for path in exported():
        names[path] = []
        with h5py.File(path) as file:
            file.visititems(lambda name, item, path=path: names[path].append(name))
    value = st.one_of(
        st.sampled_from(EDGES), st.sampled_from(("x", "LIF", "Affine", b"x")), st.just([]), st.just([[1.0, np.nan]]),
        st.sampled_from((np.ones((2, 2)), np.ones(3) * 1j, np.full((3, 2), np.nan), np.zeros((0, 3)), np.ones((4, 3)))),
    )  # fmt: skip
    change = st.sampled_from(exported()).flatmap(
        lambda path: st.tuples(
            st.just(path), st.lists(st.tuples(st.sampled_from(names[path]), value), min_size=1, max_size=2)
        )
    )
    return change


def enter_exchange(case):
    path, changes = case
    with scratch() as folder:
        made = folder / path.name
        shutil.copyfile(path, made)
        with h5py.File(made, "r+") as file:
            for name, value in changes:
                if name not in file:
                    continue
                with suppress(TypeError, ValueError, OverflowError):  # what HDF5 cannot hold
                    del file[name]
                    file[name] = value
        with refused_in_a_line():
            for matrix in read_layers(made, NeuronParameters()).values():
                assert matrix.dtype == np.float64
                assert np.isfinite(matrix).all()
