"""Take one case through its phases to an outcome."""
