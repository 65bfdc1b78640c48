"""Adapters that speak to image providers; plain Python without Django."""
