"""Train a digit model on real handwriting and gate it with float32 and int8."""
