"""Simulate an image provider over real HTTP: it draws, counts what it bills, and fails on demand."""
