"""Build, run and convert Keras models."""
