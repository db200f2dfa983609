import pytest

from lava_nbp.errors import InputError
from lava_nbp.eventprop.policies import SilentPolicy


def test_a_policy_has_the_strength_of_its_name_only():
    assert SilentPolicy("bump", 2.0).strength_of("bump") == 2.0
    assert SilentPolicy("bump", 2.0).strength_of("phantom") == 0.0


def test_what_wakes_a_silent_layer():
    for output in (False, True):
        assert "'bump' wakes it (target continuous), or start from larger weights" in SilentPolicy().waking(output)
        assert "'spike_count' only moves spikes that are there" in SilentPolicy("spike_count").waking(output)
        assert "'bump' is waking it" in SilentPolicy("bump").waking(output)
        assert "'bump' wakes it" in SilentPolicy("bump", 0).waking(output)
    assert "'phantom' teaches outputs only" in SilentPolicy("phantom").waking(False)
    assert "'phantom' is waking it" in SilentPolicy("phantom").waking(True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("bumb",), r"silent policy is 'bumb', but must be one of none, phantom, bump, spike_count \(did you mean"),
        (("bump", -1.0), "strength of the silent policy is -1.0"),
        (("spike_count", 1.0, float("nan")), "silent policy: lower is nan, but must be a finite number or a tuple"),
        (("spike_count", 1.0, 1e300), r"lower of the silent policy is 1e\+300"),
        (("spike_count", 1.0, 0.0, (1.0, -1.0)), "upper of the silent policy is -1.0"),
        (("spike_count", 1.0, 2.0, 1.0), "upper of the silent policy is 1, below its lower, 2"),
        (("spike_count", 1.0, (0.0, 3.0), (1.0, 2.0)), "upper of the silent policy is 2, below its lower, 3"),
        (("spike_count", 1.0, (0.0, 3.0), (5.0,) * 3), "lower of the silent policy has 2 entries, but there are 3"),
        (("bump", "1"), "silent policy: strength is '1', but must be a finite number"),
        ((["bump"],), r"silent policy is \['bump'\], but must be one of none"),
    ],
)
def test_policies_that_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        SilentPolicy(*arguments)


def test_outputs_that_a_policy_cannot_have():
    for name in ("none", "bump", "spike_count"):
        for output in ((True, True), (True, False), (False, False)):
            SilentPolicy(name).check_output(*output)
    SilentPolicy("phantom").check_output(True, False)
    with pytest.raises(InputError, match="'phantom' teaches outputs that do not spike, but .* only integrates; leave"):
        SilentPolicy("phantom").check_output(False, False)
    with pytest.raises(InputError, match="'phantom' needs an output layer without recurrent weights"):
        SilentPolicy("phantom").check_output(True, True)
