"""Derive how far a correct implementation may be off."""
