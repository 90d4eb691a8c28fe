"""Name the plugins: the pytest surface of suites/ and of the harness's own tests."""

#: A plugin comes before those that import it: pytest rewrites the assertions of what it loads.
pytest_plugins = [
    f"harness.plugins.{name}"
    for name in (
        *("project", "options", "session", "repairs", "collection", "outcome_hooks", "report"),
        *("laws", "structure", "resources", "kernels", "arithmetic", "parallel", "benchmarks"),
        *("own_failures", "progress", "absent", "verdicts"),
    )
]
