"""Hold the tests; folders mirror the package."""
