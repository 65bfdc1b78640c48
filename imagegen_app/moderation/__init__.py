"""Screeners, which check prompts and images; plain Python without Django."""
