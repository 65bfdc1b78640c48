"""Captioners that suggest alternative texts; plain Python without Django."""
