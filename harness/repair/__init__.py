"""Rewrite models that come out wrong as ones that compute the same, and prove that they do."""
