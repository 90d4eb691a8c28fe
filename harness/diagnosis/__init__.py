"""Explain a divergence: where it starts, its cause, and the leg to blame."""
