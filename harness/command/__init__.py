"""Start everything by one command: gates, repairs, reports, `init` and `doctor`."""
