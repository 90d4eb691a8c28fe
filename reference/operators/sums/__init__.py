"""Compute operators that sum: matrix products, convolutions, pooling, reductions."""
