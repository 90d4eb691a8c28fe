"""Run flatbuffers and single operators on the runtimes."""
