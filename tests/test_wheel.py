"""The wheel, installed into clean environments, one for each Python that is on this machine."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from experiments import DIGITS

ROOT = Path(__file__).parents[1]
PYTHONS = subprocess.run(
    [str(ROOT / "scripts" / "find-python"), "--all"], capture_output=True, text=True, check=True
).stdout.split()
PIP = ("-m", "pip", "--disable-pip-version-check")

#: A network on Lava that compiles no kernel: a chain of gating neurons, beside one of Lava's own Processes.
ON_LAVA = """
import lava_nbp
from lava_nbp.processes import SynfireChain
from lava.proc.io.sink import RingBuffer
chain, sink = SynfireChain(3, autostart=True), RingBuffer(shape=(3,), buffer=4)
chain.s_out.connect(sink.a_in)
with lava_nbp.LavaRuntime(chain, lava_nbp.run_config("lava"), timeout=60) as runtime:
    runtime.run(4)
    print(sink.data.get().argmax(axis=0).tolist())
"""


class Environment:
    """A virtual environment in a folder, and what is run there: without this one's variables, in an empty folder."""

    def __init__(self, python, folder):
        subprocess.run([python, "-m", "venv", "--without-pip", str(folder / "env")], check=True, timeout=120)
        self.bin, self.work = folder / "env" / "bin", folder / "work"
        self.work.mkdir()
        self.variables = {
            k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "LAVA_NBP", "VIRTUAL_ENV"))
        }

    def run(self, program, *arguments, code=0):
        """Standard output and error."""
        done = subprocess.run(
            [str(self.bin / program), *map(str, arguments)], cwd=self.work, env=self.variables, capture_output=True,
            text=True, timeout=400, check=False,
        )  # fmt: skip
        assert done.returncode == code, (program, arguments, done.stdout, done.stderr)
        return done.stdout, done.stderr

    def pip(self, *arguments):
        """The pip of the tests, on that environment: one less to install, and a new one reads the index much faster."""
        return self.run(sys.executable, *PIP, "--python", self.bin / "python", *arguments)[0]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy: building writes into the source."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "lava_nbp", source / "lava_nbp", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        [sys.executable, *PIP, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(source / "dist"), str(source)],
        check=True,
    )
    (made,) = (source / "dist").glob("*.whl")
    return made


@pytest.fixture
def folder(tmp_path):
    """An environment takes half a gigabyte, and pytest keeps its folders."""
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("python", PYTHONS, ids=lambda python: Path(python).name)
def test_wheel_in_a_clean_environment(python, wheel, folder):
    there = Environment(python, folder)
    version = there.run("python", "-c", "import sys; print('%d.%d' % sys.version_info[:2])")[0].strip()
    there.pip("install", "--quiet", "--no-compile", "--constraint", str(ROOT / "constraints.txt"), str(wheel))
    there.pip("check")
    packages = {p["name"].lower(): p["version"] for p in json.loads(there.pip("list", "--format", "json"))}
    assert packages.keys().isdisjoint({"pandas", "torch", "playwright", "pytest", "jupyter", "opencv-python-headless"})
    assert ("lava-nc" in packages) is (version == "3.10")

    # The oracle learns without kernels, one counts its spikes; what each engine learns, test_same_bits.py says.
    (there.work / "digits.toml").write_text(DIGITS)
    there.run("lava-nbp", "train", "digits.toml", "--set", "target=reference", "--set", "epochs=1", "--out", "runs/a")
    assert (there.work / "runs" / "a" / "result.json").is_file()
    there.run("lava-nbp", "plan", "digits.toml", "--chip", "loihi1", "--picture", "cores.png")

    if version != "3.10":
        _, said = there.run("lava-nbp", "train", "digits.toml", "--set", "target=lava", "--out", "runs/b", code=2)
        assert "target 'lava' needs Lava, which is not installed; run: pip install " in said
        command = said.strip().rpartition("run: pip ")[2].split()
        assert " ".join(command) in there.run("lava-nbp", "doctor")[0]
        assert " ".join(command) in (ROOT / "README.md").read_text()
        there.pip(*command, "--quiet", "--no-compile")
    assert "ok      lava-nc: 0.10.0" in there.run("lava-nbp", "doctor")[0]
    assert there.run("python", "-c", ON_LAVA)[0] == "[0, 1, 2, 0]\n"
