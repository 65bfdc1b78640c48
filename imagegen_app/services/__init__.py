"""Use cases: the only code that writes rows; one module a subject, one transaction a use case."""
