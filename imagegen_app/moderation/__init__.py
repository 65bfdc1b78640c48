"""Screeners that look at prompts and pictures; plain Python without Django."""
