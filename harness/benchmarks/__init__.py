"""Time models that have agreed with their oracle."""
