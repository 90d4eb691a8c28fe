"""Compare a flatbuffer's weights and activations with its Keras model's."""
