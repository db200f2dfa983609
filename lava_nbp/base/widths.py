"""Widths and limits that arithmetic and circuits keep to, each with its source.

What a chip or a board holds is data: see `lava_nbp.loihi.boards`.

Sources
-------
[D18] Davies et al., "Loihi: A neuromorphic manycore processor with on-chip
      learning", IEEE Micro 38 (2018).
[L2]  Intel, "Taking neuromorphic computing to the next level with Loihi 2",
      technology brief (2021).
[LV]  Lava 0.10.0, fixed-point models of `LIF` and `Dense` (bit widths as the
      simulator of the chip uses them).
[R24] Renner et al., "The backpropagation algorithm implemented on spiking
      neuromorphic hardware", Nature Communications 15, 9691 (2024).
"""

#: Synaptic input, threshold and state are aligned to the left by this many bits: u += 64 * w [LV].
ALIGNMENT_BITS = 6
#: Width of the state variables u (synaptic current) and v (membrane voltage), sign included [LV].
STATE_BITS = 24

#: Width of the mantissa of a bias, sign included [LV].
BIAS_MANTISSA_BITS = 13
#: Range of the exponent of a bias: register value = mantissa * 2**exponent [LV].
BIAS_EXPONENT_MAX = 7
#: Width of the mantissa of a threshold, unsigned; the register value is 64 times it [LV].
THRESHOLD_BITS = 17

#: Width of a synaptic weight mantissa; single-sign weights are 0 .. 255 [D18].
WEIGHT_BITS = 8
#: Mixed-sign weights lose the lowest bit to the sign, so they are even [LV].
WEIGHT_STEP = 2
#: Largest magnitude of a plastic weight. The chip holds -256 too; the circuit
#: avoids it so that mirrored weights (W and -W) stay exact negatives [R24].
PLASTIC_WEIGHT_MAX = 254
#: Range of the weight exponent: weight = mantissa * 2**exponent [LV].
WEIGHT_EXPONENT_MAX = 7

#: Largest synaptic delay, in steps beyond the one that transport takes [D18].
DELAY_MAX = 62
#: Largest refractory delay in steps [D18].
REFRACTORY_MAX = 63

#: Neurons of one Loihi 2 chip (128 neurocores of up to 8192), and so of a circuit's population [L2].
NEURONS_PER_CHIP = 1_048_576
#: Synapses of one Loihi 2 chip, and so of a circuit's matrix [L2].
SYNAPSES_PER_CHIP = 120_000_000

#: Decays that forget everything in a step, in units of 1/4096. The current has an offset of 1 (ds_offset), so
#: 4095 is all of it; the voltage has none [LV].
CURRENT_DECAY_ALL, VOLTAGE_DECAY_ALL = 4095, 4096
#: Width of a pre- or postsynaptic trace of the learning engine, unsigned [D18].
TRACE_BITS = 7
