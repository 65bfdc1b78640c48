"""The life of a job: its transitions, leases, rate limits and circuit breakers."""
