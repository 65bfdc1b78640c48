"""What a worker runs: it claims due jobs, calls providers, reads their answers and clears up."""
