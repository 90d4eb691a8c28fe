"""Compute operators that work value by value: arithmetic, activations, requantisation."""
