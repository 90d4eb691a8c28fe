"""Corrupt flatbuffers and see every way they end."""
