"""Give every other package files, caches, processes and clocks."""
