"""Measure what a device needs: arena, size, operators, work, C array."""
