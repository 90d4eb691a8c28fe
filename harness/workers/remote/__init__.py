"""Do in a worker's own Python what the harness asks for."""
