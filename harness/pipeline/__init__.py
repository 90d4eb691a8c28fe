"""Define a case and make its artifacts: build, convert, inspect, run."""
