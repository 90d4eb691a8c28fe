"""Talk to a board over a wire: its answers, or the way they failed to come."""
