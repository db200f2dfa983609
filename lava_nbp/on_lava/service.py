"""Lava's runtime service: the process that leads all models of a network through the phases of every step.

Uses internals of lava-nc 0.10.0, which is archived and pinned.
"""

from __future__ import annotations

from typing import Any

from lava.magma.runtime.runtime_services.runtime_service import LoihiPyRuntimeService

_Phase, _Answer = LoihiPyRuntimeService.Phase, LoihiPyRuntimeService.PMResponse
#: What a model answers that asks for a phase, by phase. Not the one before learning: there Lava also runs models that
#: did not ask, and after it all of them are asked to learn.
_ASKS = {
    _Phase.LRN[0]: _Answer.REQ_LEARNING[0],
    _Phase.POST_MGMT[0]: _Answer.REQ_POST_LRN_MGMT[0],
}
#: Who answers so has not said which phases it needs.
_UNSAID = (_Answer.REQ_PAUSE[0], _Answer.REQ_STOP[0])


class ResumableService(LoihiPyRuntimeService):  # type: ignore[misc]
    """Lava's service forgets that a pause is over, and then never says that a run is done."""

    def _handle_pause(self) -> None:
        super()._handle_pause()
        self.pausing = False


class SparingService(ResumableService):
    """Sends the phases of learning and of what follows it only to the models that asked for them, and waits for these.

    Lava's sends them to all if one has asked, and all but that one do nothing. Not for networks with VarPorts: their
    models have to be woken in every phase, to serve them.
    """

    def start(self) -> None:
        """As Lava's."""
        self._answers = [_Answer.STATUS_DONE[0]] * len(self.model_ids)
        self._addressed: list[int] = []
        super().start()

    def _send_pm_cmd(self, phase: Any) -> None:
        asks = _ASKS.get(phase[0])
        everybody = enumerate(self._answers)
        self._addressed = [k for k, answer in everybody if asks is None or answer == asks or answer in _UNSAID]
        for k in self._addressed:
            self.service_to_process[k].send(phase)

    def _get_pm_resp(self) -> list[Any]:
        received = [self.process_to_service[k].recv() for k in self._addressed]
        for k, answer in zip(self._addressed, received, strict=True):
            self._answers[k] = answer[0]
        said, now = set(self._answers), {answer[0] for answer in received}
        self._error |= _Answer.STATUS_ERROR[0] in now
        self.req_pause |= _Answer.REQ_PAUSE[0] in now
        self.req_stop |= _Answer.REQ_STOP[0] in now
        # A model that waits for a later phase is still waiting for it.
        self.req_pre_lrn_mgmt |= _Answer.REQ_PRE_LRN_MGMT[0] in said
        self.req_lrn |= _Answer.REQ_LEARNING[0] in said
        self.req_post_lrn_mgmt |= _Answer.REQ_POST_LRN_MGMT[0] in said
        return received
