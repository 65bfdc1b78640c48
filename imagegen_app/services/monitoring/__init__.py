"""Information about a running site: checks, job progress, provider status and uncertain jobs."""
