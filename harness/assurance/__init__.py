"""Prove that the checks find faults and that the harness survives damage."""
