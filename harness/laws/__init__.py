"""Hold runtimes to laws of sequences and state."""
