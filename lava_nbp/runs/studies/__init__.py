"""Studies: many runs of one experiment, over lists, grids, ranges and seeds of its keys."""
