"""Compute what quantised kernels compute, bit for bit."""
