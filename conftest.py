"""The pytest surface of the harness, for suites/ and for its own tests: the plugins, by name."""

#: A plugin comes before those that import it: pytest rewrites the assertions of what it loads.
pytest_plugins = [
    f"harness.plugins.{name}"
    for name in (
        *("project", "options", "session", "collection", "outcome_hooks", "report"),
        *("laws", "structure", "resources", "parallel", "benchmarks"),
    )
]
