"""Describe the named faults, a module for each place where they would occur."""
