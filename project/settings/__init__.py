"""Settings of the demo site: `demo` for people, `test` for the suite."""
