"""Compute what each runtime must answer, from published formulas, in NumPy alone."""
