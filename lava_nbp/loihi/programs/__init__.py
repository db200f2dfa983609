"""Neuron programs of Loihi 2 that learn with EventProp: what each neuron computes, operation by operation.

`machine` says what operations and words there are, and `writer` writes programs of them. `arithmetic` is what EventProp
needs of integers, `clock` when neurons do what, `stack` how they keep their spikes, and `neurons` are the programs.
`learning` makes a network of them. Nothing here has run on a chip.
"""
