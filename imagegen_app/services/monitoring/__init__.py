"""What people are told about a running site: checks, progress, provider status and uncertain jobs."""
