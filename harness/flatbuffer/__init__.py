"""Read, describe and build flatbuffers without native code."""
