"""Judge whole models by the arithmetic of their operators, on every runtime."""
