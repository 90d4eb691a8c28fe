"""Answer the harness's requests inside a worker's own Python."""
