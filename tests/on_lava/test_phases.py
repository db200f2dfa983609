"""How a domain calls its models."""

import pytest

from lava_nbp.on_lava.phases import AFTER_LEARNING, BEFORE_LEARNING, LEARNING, Member

from lava.magma.core.model.py.model import PyLoihiProcessModel

_ANSWERS = {
    answer: PyLoihiProcessModel.Response.__dict__[name][0]
    for answer, name in (
        ("done", "STATUS_DONE"), ("before", "REQ_PRE_LRN_MGMT"), ("learn", "REQ_LEARNING"),
        ("after", "REQ_POST_LRN_MGMT"),
    )
}  # fmt: skip


class Late(PyLoihiProcessModel):
    """Gets guards of its own in the midst of a run."""

    guards = ()

    def run_spk(self):
        if self.time_step == 3:
            for guard in self.guards:
                setattr(self, guard, lambda: True)


@pytest.mark.parametrize(("guards", "answer"), [
    ((), "done"), (("post_guard",), "after"), (("lrn_guard",), "learn"), (("lrn_guard", "pre_guard"), "before"),
    (("pre_guard",), "done"),
])  # fmt: skip
def test_guards_are_asked_in_every_step(guards, answer):
    model = Late({})
    model.guards = guards
    member = Member(model, "late")
    answers = [member.spike() for _ in range(5)]
    assert answers == [_ANSWERS["done"]] * 2 + [_ANSWERS[answer]] * 3


def test_phases_are_lavas():
    phase = PyLoihiProcessModel.Phase
    assert (phase.PRE_MGMT[0], phase.LRN[0], phase.POST_MGMT[0]) == (BEFORE_LEARNING, LEARNING, AFTER_LEARNING)
