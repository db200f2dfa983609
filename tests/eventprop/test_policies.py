import pytest

from lava_nbp.errors import InputError
from lava_nbp.eventprop.policies import SilentPolicy


def test_a_policy_has_the_strength_of_its_name_only():
    assert SilentPolicy("bump", 2.0).strength_of("bump") == 2.0
    assert SilentPolicy("bump", 2.0).strength_of("phantom") == 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("bumb",), r"silent policy is 'bumb', but must be one of none, phantom, bump, spike_count \(did you mean"),
        (("bump", -1.0), "strength of the silent policy is -1.0"),
        (("spike_count", 1.0, float("nan")), "target of the silent policy is nan"),
    ],
)
def test_policies_that_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        SilentPolicy(*arguments)
