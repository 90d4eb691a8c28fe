"""Hold a flatbuffer's constants to the Keras model's."""
