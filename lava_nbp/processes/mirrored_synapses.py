"""A matrix in two synaptic memories of Loihi 2: what MirroredDense is on the chip, but for its learning."""

from __future__ import annotations

from typing import Any

from lava_nbp.base.checks import check_flag, check_integer
from lava_nbp.base.widths import WEIGHT_EXPONENT_MAX
from lava_nbp.errors import WeightError
from lava_nbp.on_lava.ports import InPort, OutPort
from lava_nbp.on_lava.process import LibraryProcess

from lava.magma.core.process.variable import Var


class MirroredSynapses(LibraryProcess):
    """One matrix of 8-bit mantissas, forward and transposed, whose two memories are written from elsewhere.

    `EventPropNetwork` is built from these with the target "loihi2"; there is no CPU model::

        a_out[t + 1] = sum over i of (w_ij * 2**exponent) s_in_i
        adjoint_back_out[t + 1] = sum over j of w_ij adjoint_in_j             pieces of d, without an exponent

    Parameters
    ----------
    mantissas : (pre, post) int
        Even, -254 .. 254.
    exponent : int
        0 .. 7.
    backward : bool
        Whether there is a way back.
    name : str, optional
        Of the Process.

    Ports
    -----
    s_in : (pre,) int32
    a_out : (post,) int32
    adjoint_in : (post,) int32, if `backward`
    adjoint_back_out : (pre,) int32, if `backward`

    Vars
    ----
    weights : (pre, post) int32
        Synaptic memory forward: mantissas.
    mirror : (post, pre) int32, if `backward`
        Synaptic memory backward: the same, transposed.

    Raises
    ------
    WeightError
        For what is no matrix.
    InputError
        For an exponent that synapses do not have.
    """

    def __init__(self, mantissas: Any, exponent: int, *, backward: bool = True, name: str | None = None) -> None:
        if getattr(mantissas, "ndim", 0) != 2 or not mantissas.size:
            raise WeightError("mantissas must be a matrix (pre, post) of integers; give an array")
        check_integer(exponent, 0, WEIGHT_EXPONENT_MAX, "exponent")
        super().__init__(exponent=exponent, backward=check_flag(backward, "backward"), name=name)
        n_pre, n_post = mantissas.shape
        self.s_in, self.a_out = InPort(shape=(n_pre,)), OutPort(shape=(n_post,))
        self.weights = Var(shape=(n_pre, n_post), init=mantissas.astype("int32"))
        if backward:
            self.adjoint_in, self.adjoint_back_out = InPort(shape=(n_post,)), OutPort(shape=(n_pre,))
            self.mirror = Var(shape=(n_post, n_pre), init=mantissas.T.astype("int32"))
