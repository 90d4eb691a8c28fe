"""Predict what device kernels will answer, and hold models to it."""
