"""Networks beside other people's processes, threads, loops and start methods; whole interpreters, watched."""

import ast
import os
from pathlib import Path

import pytest
from interpreters import run_script

pytestmark = pytest.mark.timeout(120)
SCENARIOS = Path(__file__).parents[1] / "support" / "runtime" / "guest_scenarios.py"


#: In one interpreter: the first wants Lava not to be imported yet, the last ends it.
TOGETHER = (
    "queue_first",
    "in_an_event_loop",
    "daemonic",
    "forkserver_later",
    "forks_of_the_user",
    "executor_in_a_fork",
    "nothing_grows",
    "forgotten_in_every_way",
)


#: What a network says in each of the two ways.
RAN = ["ran in one process", "ran in processes of its own"]


def run(*scenarios):
    """Exit code, and the lines that every scenario wrote."""
    code, written = run_script(SCENARIOS, *scenarios, seconds=100)
    parts = [part.split("\n", 1) for part in written.split("== ")[1:]]
    return code, {name: lines.splitlines() for name, lines in parts}


@pytest.fixture(scope="module")
def together():
    code, lines = run(*TOGETHER)
    assert code == 1, lines  # by sys.exit
    return lines


def test_a_queue_before_lava(together):
    assert together["queue_first"] == [*RAN, "fork"]


def test_as_in_a_notebook(together):
    assert together["in_an_event_loop"] == RAN


def test_a_daemonic_process_runs_one_in_itself_and_else_it_is_one_line(together):
    ran, error = together["daemonic"]
    assert ran == RAN[0]
    assert error.startswith("RuntimeFailure this is a daemonic process of multiprocessing")


def test_forks_leave_a_network_alone(together):
    refused = ["this Lava network belongs to process its parent"] * 4
    one = [*refused, *RAN, "3", *refused, *RAN, "0", "[1, 2, 3] [1, 1]", "is used"]
    assert together["forks_of_the_user"] == 2 * one


def test_forks_leave_an_executor_alone(together):
    assert together["executor_in_a_fork"] == 2 * (["True"] * 4 + ["0", "True"])


def test_networks_that_threads_forget_end(together):
    assert together["forgotten_in_every_way"] == ["3", "6", "the end"]


def test_nothing_grows(together):
    (line,) = together["nothing_grows"]
    grown = ast.literal_eval(line)
    assert grown.pop("kB") < 4000
    assert grown.keys() == {"maps", "files", "threads", "objects", "children"}
    assert max(grown.values()) <= 0, grown


def test_under_another_start_method_one_process_runs_and_else_it_is_one_line(together):
    error = "RuntimeFailure multiprocessing's start method is {!r}, but Lava's processes have to be forked; call"
    _, lines = run("spawn_first")
    ran, refused, method = lines["spawn_first"]
    assert ran == RAN[0]
    assert refused.startswith(error.format("spawn"))
    assert method == "spawn"
    ran, refused = together["forkserver_later"]
    assert ran == RAN[0]
    assert refused.startswith(error.format("forkserver"))


def test_a_data_loader_of_torch_before_lava():
    pytest.importorskip("torch")
    assert run("loader_first") == (0, {"loader_first": ["4", *RAN]})


def test_children_of_a_thread_end_with_a_parent_that_is_killed():
    scenario = "killed_after_a_thread_has_started_one"
    assert run(scenario) == (-9, {scenario: ["3"]})


def test_a_signal_to_everybody_is_for_who_started_the_network():
    assert run("terminated_as_a_group") == (1, {"terminated_as_a_group": ["in order"]})


# --------------------------------------- where the models of a script are

PROCESS = """
import os, sys
import lava_nbp
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava_nbp import LavaRuntime, run_config
class Mine(AbstractProcess):
    pass
"""
MODEL = """
@implements(proc=Mine, protocol=LoihiProtocol)
@requires(CPU)
class PyMine(PyLoihiProcessModel):
    def run_spk(self):
        pass
"""
USES = {
    "runtime": "with LavaRuntime(Mine()) as runtime: runtime.run(2)",
    "children": "with LavaRuntime(Mine(), in_process=False) as runtime: runtime.run(2)",
    "config": "with LavaRuntime(Mine(), run_config('lava-primitives')) as runtime: runtime.run(2)",
    "lavas": "with LavaRuntime(Mine(), Loihi2SimCfg()) as runtime: runtime.run(2)",
    "run": "mine = Mine(); mine.run(RunSteps(2), run_config('lava')); mine.stop()",
}
OURS_ON_LAVAS = """
from lava_nbp.processes import SynfireChain
chain = SynfireChain(3, autostart=True)
chain.run(RunSteps(4), Loihi2SimCfg(select_tag="fixed_pt"))
chain.stop()
"""
OTHER = "open('executed', 'w').close()\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "other.py").write_text(OTHER)
    return tmp_path


def run_in(folder, text):
    (folder / "script.py").write_text("print('executed', __name__)\n" + text + "\nprint('went well')\n")
    return run_script("script.py", folder=folder, seconds=20)


def test_a_script_without_a_main_guard(folder):
    """It is executed once, and nothing else of its folder is."""
    code, written = run_in(folder, PROCESS + MODEL + "\n".join(USES.values()) + OURS_ON_LAVAS)
    assert (code, written) == (0, "executed __main__\nwent well\n")
    assert not (folder / "executed").exists()


@pytest.mark.parametrize("use", ["runtime", "run"])
def test_a_model_in_another_file_and_no_main_guard(folder, use):
    (folder / "models.py").write_text("from script import *\n" + MODEL)
    code, written = run_in(folder, PROCESS + USES[use])
    assert code == 1
    assert written.count("executed") <= 3
    last = written.splitlines()[-1]
    assert last.startswith("lava_nbp.errors.InputError: Mine has no model in its own module (")
    assert last.endswith("below if __name__ == '__main__':, or the model into the module of its Process")


def test_a_model_beside_its_process_in_a_package_is_found(folder):
    package = folder / "parts"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "process.py").write_text(PROCESS)
    (package / "models.py").write_text(PROCESS.split("class Mine")[0] + "from parts.process import Mine\n" + MODEL)
    code, written = run_in(
        folder, PROCESS.split("class Mine")[0] + "from parts.process import Mine\n" + USES["runtime"]
    )
    assert (code, written) == (0, "executed __main__\nwent well\n")


def test_a_script_without_a_file(folder):
    """From a terminal or a notebook."""
    text = "\n".join([PROCESS, MODEL, USES["runtime"], USES["children"], "print('went well')"])
    code, written = run_script("-c", text, folder=folder)
    assert (code, written) == (0, "went well\n")
    assert os.listdir(folder) == ["other.py"]
