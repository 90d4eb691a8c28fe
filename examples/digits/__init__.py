"""A digit model trained on real handwriting, gated with float32 and int8."""
