"""Connect the harness to pytest: options, fixtures, hooks."""
