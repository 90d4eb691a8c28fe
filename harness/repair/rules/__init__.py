"""Rewrite layers that do not fuse, each rule on the configuration and weights alone."""
