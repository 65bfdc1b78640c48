"""Batches: many jobs from one template, planned, started, created in chunks, paused and finished."""
