"""Runs: training and evaluating them, and what is made of them."""
