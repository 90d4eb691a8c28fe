"""Gate ordinary models that no catalogue has, and hold each verdict to a truth of its own."""
