"""Read Keras 3 files as data, and rebuild their models in Keras 2."""
