"""The oracle against sums done by hand."""

import numpy as np
import pytest

from lava_nbp.nbp.form import sample_form
from lava_nbp.nbp.paper import inference_circuit, training_circuit
from lava_nbp.nbp.reference import ReferenceExecutor, SampleRun


class Trained:
    """One training sample of the paper's circuit, its values by the names of the paper."""

    def __init__(self, W1, W2, x, t, **variant):
        circuit = training_circuit(*W1.shape, W2.shape[1], **variant)
        run = SampleRun(sample_form(circuit), {"W1": W1, "W2": W2}, (x, t))
        self.W1, self.W2 = run.weights["W1"], run.weights["W2"]
        self.a2, self.updates, self.gate_breaches = run.membrane, run.updates, run.gate_breaches
        self.o, self.o_lo, self.o_hi = (run.of(name, 4) for name in ("o", "o_lo", "o_hi"))
        self.d_pos, self.d_neg = run.of("d_pos", 5), run.of("d_neg", 5)
        self.back_pos = run.of("h1_T", 7)
        self.e_pos, self.e_neg = run.of("h1", 8), run.of("h1", 12)


def net(w1, w2):
    """A 5-5-1 network with all W1 and all W2 alike."""
    return np.full((5, 5), w1, np.int16), np.full((5, 1), w2, np.int16)


ONES, TARGET, NO_TARGET = np.ones(5, np.uint8), np.ones(1, np.uint8), np.zeros(1, np.uint8)


def test_potentiation_by_hand():
    # a1 = 5 * 200 = 1000: h fires, inside the box. a2 = 5 * 80 = 400: silent, over 0, so the target potentiates.
    v = Trained(*net(200, 80), ONES, TARGET)
    assert v.a2.tolist() == [400]
    assert (v.o.item(), v.o_lo.item(), v.o_hi.item()) == (False, True, False)
    assert (v.d_pos.item(), v.d_neg.item()) == (True, False)
    assert (v.W2 == 82).all()
    assert v.e_pos.all()
    assert (v.W1 == 202).all()
    assert v.updates == 5 * 1 + 5 * 5


def test_depression_by_hand():
    # a2 = 5 * 120 = 600: fires though it should not, below 1024, so it depresses.
    v = Trained(*net(200, 120), ONES, NO_TARGET)
    assert (v.d_pos.item(), v.d_neg.item()) == (False, True)
    assert (v.W2 == 118).all()
    assert v.e_neg.all()
    assert (v.W1 == 198).all()


@pytest.mark.parametrize(
    ("w1", "w2", "target", "why"),
    [
        (200, -20, TARGET, "the output is below 0: outside the box of the surrogate"),
        (200, 0, TARGET, "exactly 0 is outside the box"),
        (200, 210, NO_TARGET, "the output is at 1050, over 1024: outside the box"),
        (200, 210, TARGET, "right already"),
        (200, -20, NO_TARGET, "right already"),
        (100, 80, TARGET, "the hidden layer is at 500, silent: nothing to learn from"),
        (0, 80, TARGET, "nothing active"),
    ],
)
def test_nothing_to_learn(w1, w2, target, why):
    W1, W2 = net(w1, w2)
    v = Trained(W1, W2, ONES, target)
    assert np.array_equal(v.W1, W1), why
    assert np.array_equal(v.W2, W2), why


def test_hidden_unit_above_the_box_learns_nothing_but_its_output_does():
    v = Trained(*net(206, 80), ONES, TARGET)  # a1 = 1030 > 1024
    assert (v.W1 == 206).all()
    assert (v.W2 == 82).all()


def test_hidden_error_uses_the_weights_just_changed():
    # W2 = -2 on one synapse becomes 0: no error comes back through it.
    W1, W2 = net(200, 80)
    W2[0, 0] = -2
    v = Trained(W1, W2, ONES, TARGET)
    assert v.W2[0, 0] == 0
    assert v.back_pos.tolist() == [False, True, True, True, True]
    assert (v.W1[:, 0] == 200).all()
    assert (v.W1[:, 1:] == 202).all()


def test_saturation_by_hand():
    W1, W2 = net(200, 80)
    W1[0], W2[0, 0] = 254, 254
    W2[1:, 0] = 20  # a2 = 334
    v = Trained(W1, W2, np.array([1, 1, 1, 1, 0], np.uint8), TARGET)  # a1 = 854
    assert (v.W1[0] == 254).all()
    assert (v.W1[1] == 202).all()
    assert (v.W1[4] == 200).all()
    assert v.W2[:, 0].tolist() == [254, 22, 22, 22, 22]


def test_both_signs_of_error_at_once():
    # Output 0 must rise, output 1 must fall; hidden unit 0 drives only output 0, unit 1 only output 1.
    W1 = np.full((5, 4), 200, np.int16)
    W2 = np.array([[254, 0], [0, 254], [0, 254], [40, 254]], np.int16)  # a2 = 294, 762
    v = Trained(W1, W2, ONES, np.array([1, 0], np.uint8))
    assert v.d_pos.tolist() == [True, False]
    assert v.d_neg.tolist() == [False, True]
    assert v.W2.tolist() == [[254, -2], [2, 252], [2, 252], [42, 252]]
    assert v.e_pos.tolist() == [True, False, False, False]
    assert v.e_neg.tolist() == [False, True, True, True]
    assert v.W1[0].tolist() == [202, 198, 198, 198]


def test_inference_is_the_forward_pass():
    form = sample_form(inference_circuit(5, 5, 1))
    run = SampleRun(form, dict(zip(("W1", "W2"), net(200, 110), strict=True)), (ONES,))
    assert run.of("h1", 3).all()
    assert run.membrane.tolist() == [550]
    executor = ReferenceExecutor(training_circuit(5, 5, 1), dict(zip(("W1", "W2"), net(200, 110), strict=True)))
    outcome = executor.infer(ONES[None])
    assert outcome.spikes.tolist() == [[1]]
    assert (executor.read_weights()["W1"] == 200).all()


def test_breaches_by_hand():
    # 40 active inputs of weight 254 bring 10160 > 9216 to h1 in phase 1 (and its two copies), under 17344 in phase 9.
    W1, W2 = np.full((40, 2), 254, np.int16), np.zeros((2, 1), np.int16)
    v = Trained(W1, W2, np.ones(40, np.uint8), TARGET)
    assert v.gate_breaches == 3 * 2
    assert Trained(W1, W2, np.ones(40, np.uint8), TARGET, guarded=True).gate_breaches == 0
