"""Run flatbuffers on TensorFlow Lite Micro."""
