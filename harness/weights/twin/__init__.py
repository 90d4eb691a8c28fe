"""Hold a flatbuffer to the source's own conversion: each constant, option, wire and scale."""
