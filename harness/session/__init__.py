"""Carry out a run: conversions ahead of the tests, runtimes on demand."""
