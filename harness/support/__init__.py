"""Help every other package: files, caches, processes, time."""
