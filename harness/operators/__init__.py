"""Hold single LSTM operators to their runtime's own arithmetic, to the bit."""
