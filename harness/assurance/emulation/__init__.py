"""Make emulated ARM Pythons, whose LiteRT computes as phones and small computers do."""
