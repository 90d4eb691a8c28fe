"""Put faults into each constant, option and scale of files that are gated with their source."""
