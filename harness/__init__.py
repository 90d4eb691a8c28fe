"""Take each case from its options to a report."""
