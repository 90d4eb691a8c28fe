"""Compute one LSTM operator in float and in integers."""
