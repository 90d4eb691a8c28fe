"""Prove that checks find faults, that damage is survived, and which versions work."""
