"""Build subjects in Keras, convert them, and describe the results."""
