"""Folders of runs, and the command line that uses them."""

from __future__ import annotations

import functools
import io
import json
import os
import shutil
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import experiments
import numpy as np
from hypothesis import strategies as st

from fuzz.cases import JUNK, as_json, changed, damaged
from fuzz.door import kept, refused_in_a_line, scratch
from lava_nbp.base.files import read_npz
from lava_nbp.cli.app import main
from lava_nbp.runs.compare import compare_runs
from lava_nbp.training.run import load_run


@functools.cache
def runs() -> tuple[Path, ...]:
    texts = {
        "digits": (experiments.DIGITS, "target=sample", "epochs=1"),
        "continuous": (experiments.YINYANG, "target=continuous", "epochs=1"),
        "clocked": (experiments.YINYANG, "target=clocked", "epochs=1"),
    }
    made = []
    for name, (text, *settings) in texts.items():
        folder = kept() / name
        folder.mkdir()
        made.append(experiments.trained(folder, text, *settings).folder)
    return tuple(made)


def checkpoints():
    def of(folder):
        arrays = read_npz(folder / "checkpoint.npz")
        meta = json.loads(str(arrays["meta"]))
        array = st.sampled_from((*arrays, "weights/W9", "other/x", "memory/", "x")).flatmap(
            lambda name: st.tuples(st.just(name), ARRAYS)
        )
        return st.tuples(
            st.just(folder), st.one_of(st.just(meta), changed(meta)), st.lists(array, max_size=2),
        )  # fmt: skip

    return st.sampled_from(runs()).flatmap(of)


ARRAYS = st.one_of(
    st.none(),  # left out
    st.sampled_from(
        (np.array(1.0), np.zeros((0,)), np.full((4, 20), np.nan), np.ones((4, 20)), np.array("x"), np.array("{}"),
         np.array("null"), np.array("[" * 5000), np.ones((64, 20)) * 1j, np.full((64, 20), 2**62), np.array([True]),
         np.ones((2, 2), np.float16), np.zeros((20, 10), np.int8))
    ),
)  # fmt: skip


def enter_checkpoint(case):
    folder, meta, changes = case
    arrays = read_npz(folder / "checkpoint.npz")
    arrays["meta"] = np.array(as_json(meta).decode())
    for name, array in changes:
        arrays[name] = array
    with scratch() as copied:
        run = copied / "run"
        shutil.copytree(folder, run)
        np.savez(run / "checkpoint.npz", **{name: a for name, a in arrays.items() if a is not None})
        with refused_in_a_line():
            found = load_run(run)
            for w in found.weights.values():
                assert np.isfinite(w).all()
            json.dumps(found.about)


def results():
    return st.sampled_from([(folder / "result.json").read_bytes() for folder in runs()]).flatmap(
        lambda content: st.one_of(changed(json.loads(content)).map(as_json), damaged(content), JUNK.map(as_json))
    )


def enter_result(content):
    with scratch() as copied:
        (copied / "run").mkdir()
        (copied / "run" / "result.json").write_bytes(content)
        with refused_in_a_line():
            json.dumps(compare_runs([copied / "run"]))


#: Commands that do something, as a user would type them.
LINES = (
    "train file.toml --out new", "train file.toml --out digits --resume", "evaluate digits --json", "evaluate clocked",
    "compare digits continuous clocked", "compare digits --style markdown", "export digits --format nir --out new.nir",
    "export continuous --format nir", "export clocked --format netx", "circuit nbp --network 4-3-2", "circuit feedback",
    "plan file.toml --chip loihi1 --placement packed", "plan file.toml --json --inference",
    "faults digits --rates 0.1 --kind dead", "trace --inputs in.npz --target spiking --out out.npz",
)  # fmt: skip


def command_lines():
    number = st.sampled_from(("0", "1", "-1", "nan", "inf", "1e400", "10" * 30, "x", "", "0.5", "3-2-2", "0-0", "--"))
    name = st.sampled_from(
        ("digits", "clocked", "none", "", "file.toml", "in.npz", "a" * 300, "/dev/null", ".", "a\0b")
    )
    key = st.sampled_from(
        ("seed", "epochs", "target", "data.train", "data.name", "network.n_hidden", "network.hidden", "learning.rate",
         "encoding.late", "encoding.end", "loss.tau0", "lava.timeout", "algorithm", "data.crop", "faults.dead", "x.y")
    )  # fmt: skip
    value = st.one_of(number, st.sampled_from(("[]", "[1048576]", "{}", "true", "'a'", "[" * 400, "9" * 5000)))
    setting = st.tuples(key, value).map(lambda pair: ["--set", "=".join(pair)])
    option = st.one_of(
        setting,
        st.tuples(st.sampled_from(("--out", "--format", "--target", "--chip", "--placement", "--picture", "--network",
                                   "--style", "--rates", "--kind", "--epochs", "--dt", "--inputs")),
                  st.one_of(number, name)).map(list),
        st.sampled_from(("--json", "--resume", "--overwrite", "--inference", "--help")).map(lambda word: [word]),
    )  # fmt: skip
    words = st.one_of(changed(line.split(), most=2, junk=st.one_of(number, name)) for line in LINES)
    texts = words.filter(lambda found: isinstance(found, list)).map(
        lambda found: [w for w in found if isinstance(w, str)]
    )
    return st.tuples(
        st.one_of(st.sampled_from(LINES).map(str.split), texts), st.lists(option, max_size=2)
    ).map(lambda parts: [*parts[0], *(word for option in parts[1] for word in option)])  # fmt: skip


def enter_command_line(words):
    """Ends with a code, and without a traceback; what is refused says so on stderr."""
    out, err = io.StringIO(), io.StringIO()
    before, here = sys.argv, Path.cwd()
    with scratch() as folder, warnings.catch_warnings():
        for run in runs():
            shutil.copytree(run, folder / run.parent.name)
        (folder / "file.toml").write_text(
            "target = 'sample'\n" + experiments.DIGITS.replace("epochs = 3", "epochs = 1")
        )
        np.savez(
            folder / "in.npz",
            x=np.eye(3, dtype=int),
            labels=[0, 1, 0],
            W1=np.full((3, 4), 254),
            W2=np.full((4, 2), 254),
        )
        os.chdir(folder)
        sys.argv = ["lava-nbp", *words]
        try:
            with redirect_stdout(out), redirect_stderr(err):
                main()
            code = None
        except SystemExit as end:
            code = end.code
        finally:
            sys.argv = before
            os.chdir(here)
    assert code in (0, 1, 2, None), code
    assert "Traceback" not in err.getvalue()
    assert code != 2 or err.getvalue().strip() or out.getvalue().strip()
