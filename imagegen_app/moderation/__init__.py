"""Screeners that look at prompts and images; plain Python without Django."""
