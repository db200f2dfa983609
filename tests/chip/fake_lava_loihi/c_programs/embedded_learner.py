"""What the C program of `EmbeddedLearner` does, in Python: messages in, `EmbeddedLearning`, memories written."""

import numpy as np


class Program:
    def __init__(self, model):
        self.model = model
        self.learning, self.mirrored, self.asked = (model.proc_params[k] for k in ("learning", "mirrored", "asked"))
        self.lost, self.over = np.zeros(self.asked, np.int32), False
        self.show()

    def show(self):
        """Let the Vars be what is computed with."""
        for name in self.learning.masters:
            setattr(self.model, name, self.learning.masters[name])
            setattr(self.model, f"{name}_gradient", self.learning.gradients[name])

    def run_spk(self):
        model = self.model
        model.lost_out.send(self.lost)
        self.lost[:] = 0
        start = bool(model.start_in.recv().any())
        messages = {
            name: (getattr(model, f"{name}_s_in").recv(), getattr(model, f"{name}_lI_in").recv())
            for name in self.learning.masters
        }
        self.over = self.learning.step(start, messages)

    def post_guard(self):
        return self.over

    def run_post_mgmt(self):
        for k in range(self.asked):
            self.lost[k] = np.count_nonzero(getattr(self.model, f"lost{k}_ref").read())
        for name, mantissas in self.learning.end(bool(self.lost.any())).items():
            getattr(self.model, f"{name}_ref").write(mantissas)
            if name in self.mirrored:
                getattr(self.model, f"{name}_mirror_ref").write(np.ascontiguousarray(mantissas.T))
