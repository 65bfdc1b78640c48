"""Captioners, which suggest alternative texts for images; plain Python without Django."""
