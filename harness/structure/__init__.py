"""Predict from a flatbuffer's structure what runtimes will do."""
