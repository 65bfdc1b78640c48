"""Batches: many jobs from one template, planned, created in chunks, paused and finished."""
