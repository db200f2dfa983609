"""The service that spares models phases that they did not ask for: every model runs as under Lava's own."""

import numpy as np
import pytest
from phased_processes import Phased

from lava_nbp import LavaRuntime
from lava_nbp.on_lava import separate_processes as module
from lava_nbp.on_lava.service import ResumableService, SparingService

pytestmark = pytest.mark.timeout(60)

STEPS = 24


def ran(every, parts, in_process):
    """What every model of a ring notes in all steps."""
    ring = [Phased(each, STEPS) for each in every]
    for one, other in zip(ring, [*ring[1:], ring[0]], strict=True):
        one.s_out.connect(other.s_in)
    with LavaRuntime(ring[0], timeout=30, in_process=in_process) as running:
        for steps in parts:
            running.run(steps)
        return [process.ran.get() for process in ring]


def divides(every):
    """(STEPS,) whether a step is one of these."""
    return np.array([bool(every) and step % every == 0 for step in range(1, STEPS + 1)])


#: Before learning, learning, and after it: alone, together, in the same step and one after the other.
EVERY = [(0, 0, 0), (0, 1, 0), (0, 2, 3), (0, 0, 4), (0, 6, 1), (5, 3, 2), (1, 0, 0), (1, 7, 0)]


def test_every_model_runs_as_under_lavas_own(monkeypatch):
    parts = (5, 1, STEPS - 6)
    spared, called = ran(EVERY, parts, in_process=False), ran(EVERY, parts, in_process=True)
    monkeypatch.setattr(module, "SparingService", ResumableService)
    for one, two, other in zip(spared, called, ran(EVERY, parts, in_process=False), strict=True):
        assert np.array_equal(one, other)
        assert np.array_equal(two, other)
    # And by hand. Before learning runs who would, if anybody learns who would.
    anybody = np.any([divides(pre) & divides(lrn) for pre, lrn, _ in EVERY], axis=0)
    for (pre, lrn, post), found in zip(EVERY, spared, strict=True):
        expected = [np.ones(STEPS, bool), divides(pre) & anybody, divides(lrn), divides(post)]
        assert np.array_equal(found, np.transpose(expected))


def test_who_did_not_ask_is_not_woken():
    class Port:
        def __init__(self, answers):
            self.sent, self.answers = 0, iter(answers)

        def start(self):
            pass

        def send(self, phase):
            self.sent += 1

        def recv(self):
            return np.array([next(self.answers)], float)

    service = SparingService(protocol=None)
    done, learn, after, pause = 0, -5, -6, -7
    ports = [Port(answers) for answers in ([done], [learn, after, done], [after, done], [pause, after, done])]
    service.model_ids, service.service_to_process, service.process_to_service = range(4), ports, ports
    service.runtime_to_service = service.service_to_runtime = Port([])
    service.run = lambda: None
    service.start()
    phases = []
    for _ in range(4):
        phases.append(int(service._next_phase(False)[0]))
        if phases[-1] < 0:
            break
        service._send_pm_cmd(np.array([phases[-1]], float))
        service._get_pm_resp()
    # Spikes, learning, what follows; then the pause that one model has asked for instead of saying whether it learns.
    assert phases == [1, 3, 4, -2]
    assert [port.sent for port in ports] == [1, 3, 2, 3]
