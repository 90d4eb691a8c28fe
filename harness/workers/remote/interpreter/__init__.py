"""Run flatbuffers on TensorFlow Lite's and LiteRT's interpreter."""
