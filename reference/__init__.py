"""Compute what each runtime must answer, in NumPy alone."""
