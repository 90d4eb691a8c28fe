"""Compute operators that move, choose and compare values."""
