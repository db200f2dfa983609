"""Lava's learning phase of a column of synapses in one step, without the processes around it."""

import numpy as np

from lava_nbp.loihi.stock import learning_rule

from lava.proc.dense.models import PyLearningDenseModelBitApproximate

EVEN = np.arange(-254, 255, 2)


class LearningEngine:
    """The engine of a `LearningDense` with one presynaptic neuron, for a rule in Lava's symbols."""

    def __init__(self, dw):
        self.n = n = len(EVEN)
        self.model = PyLearningDenseModelBitApproximate(
            {"learning_rule": learning_rule(dw), "shape": (n, 1), "graded_spike_cfg": 0}
        )
        self.model._conn_var_random.advance = lambda: None
        self.model.x1 = self.model.x2 = np.zeros(1, int)
        self.model.y1 = self.model.y2 = np.zeros(n, int)
        self.model.tag_1 = self.model.tag_2 = np.zeros((n, 1), int)

    def learn(self, weights, pre, post, r, random):
        """Weights after the step; `random` is what stochastic rounding draws."""
        model, n = self.model, self.n
        model._conn_var_random._random_stochastic_round = random
        model.weights = np.asarray(weights).reshape(n, 1)
        model.tx, model.ty = np.array([pre]), np.full(n, post)
        model.x0, model.y0, model.y3 = np.zeros(1, bool), np.zeros(n, bool), np.full(n, r)
        model.run_lrn()
        return model.weights[:, 0].astype(int)
