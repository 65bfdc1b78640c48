"""Bytes of images: inspect, mark, sign, derive and compare; plain Python without Django."""
