"""The oracles: what each runtime must answer, in NumPy and nothing else.

Nothing here knows of files, interpreters or test frameworks. Every formula names
its source: a paper, or a kernel file and its version.
"""
