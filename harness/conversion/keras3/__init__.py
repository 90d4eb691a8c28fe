"""Read Keras 3 configurations and weights for the oracle, apart from the rebuilt model."""
