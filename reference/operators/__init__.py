"""Compute every operator of LSTM models as each runtime's kernels do."""
